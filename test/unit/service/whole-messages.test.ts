import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import fc from "fast-check";
import { wholeMessages } from "../../../src/service/whole-messages.ts";
import { cutBytes } from "../../support/cut-bytes.ts";
import { collect } from "../../support/wire.ts";

describe("wholeMessages", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 });

  it("passes on the same bytes, however they were cut", async () => {
    await fc.assert(
      fc.asyncProperty(messages, sizes, fc.nat({ max: 4 }), async (sent, by, tail) => {
        const enveloped = sent.map((message) => encodeEnvelope(0, message));
        const bytes = Buffer.concat([...enveloped, Buffer.alloc(tail, 1)]);
        const passed = await collect(wholeMessages(cutBytes(bytes, by)));
        assert.deepEqual(Buffer.concat(passed), bytes);
      }),
    );
  });

  it("passes on no more than two parts a message", async () => {
    const sent = [Buffer.alloc(10_000, 1), Buffer.alloc(0), Buffer.alloc(3, 2)];
    const bytes = Buffer.concat(sent.map((message) => encodeEnvelope(0, message)));
    const passed = await collect(wholeMessages(cutBytes(bytes, [1])));
    assert.deepEqual(
      passed.map(({ length }) => length),
      [5, 10_000, 5, 5, 3],
    );
    assert.equal((await collect(wholeMessages(cutBytes(bytes, [bytes.length])))).length, 1);
  });

  it("passes a message's length on before the message comes", async () => {
    const head = encodeEnvelope(0, Buffer.alloc(0));
    head.set([0xff, 0xff, 0xff, 0xff], 1);
    let read = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield head;
      for (;;) {
        read += 1;
        yield Buffer.alloc(1);
      }
    }
    // Its reader refuses such a length.
    for await (const part of wholeMessages(endless())) {
      assert.deepEqual(Buffer.from(part), Buffer.from(head));
      break;
    }
    assert.equal(read, 0);
  });
});
