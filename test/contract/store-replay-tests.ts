import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Event } from "../../src/chat/event.ts";
import type { LayoutEntry } from "../../src/chat/turn.ts";
import { eventsOf } from "../../src/chat/turn-layout.ts";
import { alice, sampleEnd, sampleLayout, sampleSession, sampleTurn } from "./store-samples.ts";
import { acquire, addTurn, type CreateStore, fill, run } from "./store-steps.ts";

export function replayTests(create: CreateStore): void {
  test("a stored turn is told again as it was recorded", async (t) => {
    const store = await create(t);
    await addTurn(store, sampleTurn("t1"), { session: sampleSession() });
    const end = await run(store, "t1");
    const stored = await store.getTurn(alice, "s1", "t1");
    assert.deepEqual(stored?.end, end);
    const common = { turnId: "t1", elapsedMs: 0, at: 2_989, sequence: 1 };
    const status = { type: "status", model: "eliza", contextMessages: 1 } as const;
    const userMessage = { ...sampleTurn("t1").userMessage, state: "complete" as const };
    const first: Event = { ...common, ...status, userMessage };
    const [told, , chunk] = stored ? eventsOf(stored) : [];
    assert.deepEqual(told, first);
    assert.equal(chunk?.type === "chunk" && chunk.text, "answer t1");
  });

  test("turns after a sequence come in the order of their first event after it", async (t) => {
    const store = await create(t);
    await fill(store, "t1", "t2", "t3");
    const after = async (sequence: number, count: number) =>
      (await store.turnsAfter("s1", sequence, count)).map(({ turn }) => turn.turnId);
    assert.deepEqual(await after(0, 10), ["t1", "t2", "t3"]);
    assert.deepEqual(await after(3, 10), ["t1", "t2", "t3"]);
    assert.deepEqual(await after(4, 10), ["t2", "t3"]);
    assert.deepEqual(await after(4, 1), ["t2"]);
    assert.deepEqual(await after(11, 1), ["t3"]);
    assert.deepEqual(await after(12, 10), []);
    assert.deepEqual(await store.turnsAfter("unknown", 0, 10), []);
  });

  test("turns that have not ended are not told", async (t) => {
    const store = await create(t);
    await fill(store, "t1");
    await addTurn(store, sampleTurn("t2"));
    await acquire(store);
    await addTurn(store, sampleTurn("t3"));
    assert.equal((await store.turnsAfter("s1", 0, 10)).length, 1);
  });

  test("a turn that waited while others ran stands where its next event is", async (t) => {
    const store = await create(t);
    await addTurn(store, sampleTurn("t1"), { session: sampleSession() });
    const one = await acquire(store);
    await addTurn(store, sampleTurn("t2"));
    const data = { turn_id: "t2", position: 1 };
    const body = { type: "session_update", updateType: "turn_queued", data } as const;
    const queued: LayoutEntry = { sequence: 3, at: 1, elapsedMs: 0, type: "question", body };
    const [status, start, chunk, end] = sampleLayout("t1", 5, "answer t1");
    assert.ok(status && start && chunk && end);
    const layout = [
      { ...status, sequence: 1 },
      { ...start, sequence: 2 },
      { ...chunk, sequence: 4 },
      { ...end, sequence: 5 },
    ];
    await store.endTurn(sampleEnd("t1", one.fence, { sequence: 5, layout }));
    const run2 = sampleLayout("t2", 9, "answer t2");
    await run(store, "t2", { sequence: 9, layout: [queued, ...run2] });
    const after = async (sequence: number) =>
      (await store.turnsAfter("s1", sequence, 10)).map(({ turn }) => turn.turnId);
    assert.deepEqual(await after(0), ["t1", "t2"]);
    assert.deepEqual(await after(2), ["t2", "t1"]);
    assert.deepEqual(await after(3), ["t1", "t2"]);
    assert.deepEqual(await after(5), ["t2"]);
    const events = (await store.turnsAfter("s1", 0, 10)).flatMap(eventsOf);
    const sequences = events.map(({ sequence }) => sequence).toSorted((a, b) => a - b);
    assert.deepEqual(sequences, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("whatever events turns wrote between each other's, each count gives the next of them", async (t) => {
    const store = await create(t);
    let session = 0;
    const owners = fc.array(fc.nat(4), { minLength: 1, maxLength: 30 });
    const property = fc.asyncProperty(
      owners,
      fc.nat(30),
      fc.integer({ min: 1, max: 5 }),
      async (list, after, count) => {
        session += 1;
        const sessionId = `session ${session}`;
        await store.createSession(sampleSession({ sessionId }));
        const names = Array.from(new Set(list)).toSorted((one, other) => one - other);
        for (const name of names) {
          const turnId = `${sessionId}, ${name}`;
          await addTurn(store, sampleTurn(turnId, { sessionId }));
          const layout = list.flatMap((owner, index): LayoutEntry[] => {
            const place = { sequence: index + 1, at: index, elapsedMs: index };
            return owner === name ? [{ ...place, type: "chunk", length: 0 }] : [];
          });
          await run(store, turnId, { sessionId, layout, sequence: layout.at(-1)?.sequence ?? 0 });
        }
        const found = await store.turnsAfter(sessionId, after, count);
        const expected = Array.from(new Set(list.slice(after))).slice(0, count);
        assert.deepEqual(
          found.map(({ turn }) => turn.turnId),
          expected.map((name) => `${sessionId}, ${name}`),
        );
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });
}
