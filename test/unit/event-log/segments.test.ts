import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Segment, Segments } from "../../../src/event-log/segments.ts";

type Tick = { readonly id: number };

const sizes = fc.array(
  fc.record({ events: fc.integer({ min: 1, max: 4 }), sameTick: fc.boolean() }),
  {
    minLength: 1,
    maxLength: 40,
  },
);

function build(list: { events: number; sameTick: boolean }[]) {
  const segments = new Segments<Tick>();
  const expected: Segment<Tick>[] = [];
  for (const [index, { events, sameTick }] of list.entries()) {
    const last = expected.at(-1);
    const tick = sameTick && last !== undefined ? last.tick : { id: (last?.tick.id ?? 0) + 2 };
    const firstSequence = (last?.lastSequence ?? 0) + 1;
    const segment = {
      firstSequence,
      lastSequence: firstSequence + events - 1,
      fence: 1,
      batch: firstSequence,
      tick,
      start: index * 10,
      end: index * 10 + 7,
    };
    segments.push(segment);
    expected.push(segment);
  }
  return { segments, expected };
}

test("every segment is found by index, by sequence, by batch and by tick", () => {
  fc.assert(
    fc.property(sizes, fc.nat(40), (list, removed) => {
      const { segments, expected } = build(list);
      segments.removeFirst(removed);
      const left = expected.slice(removed);
      assert.equal(segments.length, left.length);
      for (const [index, segment] of left.entries()) {
        assert.deepEqual(segments.at(index), segment);
        assert.deepEqual(segments.holding(segment.firstSequence), segment);
        assert.deepEqual(segments.holding(segment.lastSequence), segment);
        assert.deepEqual(segments.findLast(1, segment.batch), segment);
        const first = left.findIndex(({ tick }) => tick.id >= segment.tick.id);
        assert.equal(segments.indexOfTick(segment.tick.id), first);
        const before = left.findIndex(({ tick }) => tick.id >= segment.tick.id - 1);
        assert.equal(segments.indexOfTick(segment.tick.id - 1), before);
      }
      assert.equal(segments.findLast(2, 1), undefined);
      assert.equal(segments.holding(1_000), undefined);
      assert.equal(segments.indexOfTick(1_000), left.length);
    }),
  );
});

test("a segment that moves keeps its length, and its neighbours their place", () => {
  const { segments, expected } = build([
    { events: 1, sameTick: false },
    { events: 2, sameTick: true },
  ]);
  segments.move(1, 100);
  assert.deepEqual(segments.at(0), expected[0]);
  assert.deepEqual(segments.at(1), { ...expected[1], start: 100, end: 107 });
});
