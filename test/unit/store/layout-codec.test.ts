import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { LayoutEntry } from "../../../src/chat/turn.ts";
import { decodeLayout, encodeLayout } from "../../../src/store/layout-codec.ts";

const whole = fc.integer({ min: 0, max: 2 ** 45 });
const time = fc.oneof(whole, fc.double({ noNaN: true, noDefaultInfinity: true }));
const place = fc.record({ sequence: whole, at: time, elapsedMs: time });
const body = fc.record({
  type: fc.constant("session_update" as const),
  updateType: fc.constant("turn_queued" as const),
  data: fc.dictionary(fc.string(), fc.oneof(fc.string({ unit: "binary" }), fc.integer())),
});
const chunk = fc.record(
  { type: fc.constant("chunk" as const), length: fc.nat(), thought: fc.constant(true as const) },
  { requiredKeys: ["type", "length"] },
);
const other = fc.record({ type: fc.constantFrom("other" as const, "question" as const), body });
const entry = fc
  .tuple(place, fc.oneof(chunk, other))
  .map(([one, rest]) => ({ ...one, ...rest }) as LayoutEntry);

test("any layout comes back as it was", () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 40 }), (layout) => {
      // JSON turns -0 into 0, and drops no name that a body can have.
      const expected = layout.map((one) =>
        one.type === "chunk" ? one : { ...one, body: JSON.parse(JSON.stringify(one.body)) },
      );
      assert.deepEqual(decodeLayout(encodeLayout(layout)), expected);
    }),
  );
});

test("a chunk takes three or four bytes", () => {
  const layout = Array.from({ length: 1_000 }, (_item, index): LayoutEntry => {
    const elapsedMs = index * 20 + (index % 3);
    // The two clocks are rounded each for itself.
    const at = 1_790_000_000_000 + elapsedMs + (index % 2);
    return { sequence: 500 + index, at, elapsedMs, type: "chunk", length: 4 + (index % 60) };
  });
  const { byteLength } = encodeLayout(layout);
  assert.ok(byteLength <= 4_000, `${byteLength} bytes`);
  assert.deepEqual(decodeLayout(encodeLayout(layout)), layout);
});
