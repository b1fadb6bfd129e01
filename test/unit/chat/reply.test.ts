import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Event } from "../../../src/chat/event.ts";
import { type Part, textOf, thoughtsOf } from "../../../src/chat/message.ts";
import { addChunk, foldEnd, foldParts, withSignature } from "../../../src/chat/reply.ts";
import { noUsage } from "../../../src/chat/tokens.ts";
import { createTurn } from "../../support/engine.ts";
import { chunkEvent } from "../../support/events.ts";
import { textPart, thoughtPart } from "../../support/models.ts";

const turnId = "turn";

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

  it("is folded from its turn's events", () => {
    const events: Event[] = [1, 2].map((number) => ({
      ...chunkEvent(number),
      sequence: number,
      turnId,
    }));
    assert.deepEqual(foldParts(events), [textPart("w1 w2 ")]);
    assert.equal(foldEnd(createTurn(), 4, events), undefined);

    const error = {
      kind: "unavailable",
      reason: "MODEL_OVERLOADED",
      message: "busy",
      retryable: true,
    } as const;
    const told = { model: "m", error, usage: noUsage, totalChunks: 2, firstChunkMs: 3 } as const;
    const end: Event = {
      type: "end",
      finishReason: "failed",
      ...told,
      messageId: "turn-reply",
      messageCount: 2,
      processingMs: 9,
      signature: "s",
      at: 5_000,
      elapsedMs: 8,
      sequence: 3,
      turnId,
    };
    assert.deepEqual(foldEnd(createTurn(), 4, [...events, end]), {
      turnId,
      sessionId: "session",
      fence: 4,
      finishReason: "failed",
      ...told,
      parts: [{ ...textPart("w1 w2 "), signature: "s" }],
      replyMessageId: "turn-reply",
      processingMs: 9,
      sequence: 3,
      endedAt: 5_000,
    });
  });
});
