import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Part, textOf, thoughtsOf } from "../../../src/chat/message.ts";
import { addChunk, withSignature } from "../../../src/chat/reply.ts";
import { textPart, thoughtPart } from "../../support/models.ts";

describe("a reply", () => {
  it("joins chunks of a kind and keeps thoughts apart, in the order in which they came", () => {
    const parts: Part[] = [];
    addChunk(parts, { text: "h", thought: true });
    addChunk(parts, { text: "m", thought: true });
    addChunk(parts, { text: "a" });
    addChunk(parts, { text: "b" });
    addChunk(parts, { text: "?", thought: true });
    assert.deepEqual(parts, [thoughtPart("hm"), textPart("ab"), thoughtPart("?")]);
  });

  it("loses no text and mixes no kinds, whatever the chunks are", () => {
    const chunks = fc.array(
      fc.record({ text: fc.string({ minLength: 1 }), thought: fc.boolean() }),
    );
    fc.assert(
      fc.property(chunks, (all) => {
        const parts: Part[] = [];
        for (const chunk of all) addChunk(parts, chunk);
        const joined = (thought: boolean) =>
          all.reduce((text, chunk) => (chunk.thought === thought ? text + chunk.text : text), "");
        assert.deepEqual([textOf(parts), thoughtsOf(parts)], [joined(false), joined(true)]);
        assert.ok(parts.every(({ type }, index) => type !== parts[index + 1]?.type));
      }),
    );
  });

  it("puts the signature on its last text alone", () => {
    const parts = [textPart("a"), thoughtPart("t"), textPart("b"), thoughtPart("u")];
    const signed = [parts[0], parts[1], { ...textPart("b"), signature: "s" }, parts[3]];
    assert.deepEqual(withSignature(parts, "s"), signed);
    assert.deepEqual(withSignature(parts, undefined), parts);
    assert.deepEqual(withSignature([thoughtPart("t")], "s"), [thoughtPart("t")]);
  });
});
