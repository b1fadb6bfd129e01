import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import fc from "fast-check";
import { readEnvelopes } from "../../../../src/service/grpc/envelopes.ts";
import { cutBytes } from "../../../support/cut-bytes.ts";
import { collect } from "../../../support/wire.ts";

describe("readEnvelopes", () => {
  const flags = fc.nat({ max: 255 });
  const envelopes = fc.array(fc.record({ flags, data: fc.uint8Array({ maxLength: 40 }) }), {
    maxLength: 6,
  });
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 });

  it("reads what was written, however it was cut", async () => {
    await fc.assert(
      fc.asyncProperty(envelopes, sizes, async (sent, by) => {
        const bytes = Buffer.concat(sent.map(({ flags, data }) => encodeEnvelope(flags, data)));
        const read = await collect(readEnvelopes(cutBytes(bytes, by), 40));
        assert.deepEqual(
          read.map(({ flags, data }) => ({ flags, data: [...data] })),
          sent.map(({ flags, data }) => ({ flags, data: [...data] })),
        );
      }),
    );
  });

  it("leaves the messages that it has passed on alone", async () => {
    const sent = [Buffer.alloc(7, 1), Buffer.alloc(9, 2), Buffer.alloc(5, 3)];
    const bytes = Buffer.concat(sent.map((data) => encodeEnvelope(0, data)));
    const read = await collect(readEnvelopes(cutBytes(bytes, [4]), 9));
    assert.deepEqual(
      read.map(({ data }) => Buffer.from(data)),
      sent,
    );
  });

  it("refuses a length over its bound before the message is there", async () => {
    const head = encodeEnvelope(0, Buffer.alloc(41)).subarray(0, 5);
    async function* neverEnding() {
      yield head;
      await new Promise(() => undefined);
    }
    await assert.rejects(collect(readEnvelopes(neverEnding(), 40)), isCode(Code.ResourceExhausted));
  });

  it("refuses a body that ends within a message", async () => {
    const bytes = encodeEnvelope(0, Buffer.alloc(8));
    for (let length = 1; length < bytes.length; length += 1) {
      const read = collect(readEnvelopes(cutBytes(bytes.subarray(0, length), [3]), 40));
      await assert.rejects(read, isCode(Code.InvalidArgument));
    }
  });
});

function isCode(code: Code) {
  return (error: unknown) => error instanceof ConnectError && error.code === code;
}
