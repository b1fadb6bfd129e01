import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fingerprintOf, type TurnRequest } from "../../../src/chat/turn-request.ts";
import { turnRequest } from "../../support/engine.ts";
import { textPart } from "../../support/models.ts";

describe("a request's fingerprint", () => {
  const plain = fingerprintOf(turnRequest({ generation: { topK: 1, seed: 2 } }));

  const payload: Partial<TurnRequest>[] = [
    { type: "edit" },
    { parts: [textPart("Ho")] },
    { messageId: "m" },
    { modelId: "m" },
    { systemInstruction: "be kind" },
    { generation: { topK: 1 } },
    { chunkBy: "word" },
  ];
  for (const change of payload) {
    it(`is another one with another ${Object.keys(change).join()}`, () => {
      const generation = { topK: 1, seed: 2 };
      assert.notEqual(fingerprintOf(turnRequest({ generation, ...change })), plain);
    });
  }

  it("is the same whatever else differs between two sendings", () => {
    const resent = turnRequest({
      sessionId: "named now",
      requestId: "r",
      afterSequence: 7,
      afterEpoch: 2,
      onBusy: "interrupt",
      onDisconnect: "continue",
      generation: { seed: 2, topK: 1 },
    });
    assert.equal(fingerprintOf(resent), plain);
  });
});
