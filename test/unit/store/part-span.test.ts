import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Part, textOf, thoughtsOf } from "../../../src/chat/message.ts";
import { extendParts, type PartSpan, partsIn } from "../../../src/store/part-span.ts";

const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record(
    { type: fc.constant("thought" as const), text: fc.string() },
    { noNullPrototype: true },
  ),
  fc.record(
    { type: fc.constant("text" as const), text: fc.string(), signature: fc.string() },
    { requiredKeys: ["type", "text"], noNullPrototype: true },
  ),
);

test("whatever turns add to a message, each finds its own parts in it", () => {
  fc.assert(
    fc.property(fc.array(fc.array(part, { maxLength: 4 }), { maxLength: 6 }), (turns) => {
      let parts: Part[] = [];
      const spans: (PartSpan | undefined)[] = [];
      for (const more of turns) {
        const extended = extendParts(parts, more);
        parts = extended.parts;
        spans.push(extended.span);
      }
      assert.equal(textOf(parts), turns.map(textOf).join(""));
      assert.equal(thoughtsOf(parts), turns.map(thoughtsOf).join(""));
      for (const [index, span] of spans.entries()) {
        assert.deepEqual(span === undefined ? [] : partsIn(parts, span), turns[index]);
      }
    }),
  );
});
