import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromJsonString, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import {
  ChatRequestSchema,
  CreateSessionRequestSchema,
  HealthRequestSchema,
} from "../../../src/gen/chat/chat_pb.ts";
import { BadRequestSchema, ErrorInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { strictJson } from "../../../src/service/strict-json.ts";

const decoderOf = (desc: Parameters<typeof strictJson>[0], bytesMax = 100_000) =>
  (strictJson(desc, bytesMax) as unknown as { textDecoder: { decode(bytes: Uint8Array): string } })
    .textDecoder;

const chat = decoderOf(ChatRequestSchema);

function refusalOf(text: string | Uint8Array, decoder = chat) {
  try {
    decoder.decode(Buffer.from(text as string));
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ConnectError, String(error));
    const [info] = error.findDetails(ErrorInfoSchema);
    const [badRequest] = error.findDetails(BadRequestSchema);
    const fields = badRequest?.fieldViolations.map(({ field }) => field);
    return { code: error.code, reason: info?.reason, fields };
  }
}

const undecodable = (...fields: string[]) => ({
  code: Code.InvalidArgument,
  reason: "REQUEST_UNDECODABLE",
  fields,
});

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  // What JSON is made of, as text.
  fc.string({
    unit: fc.constantFrom("{", "}", "[", "]", ",", '"', "\\", "u", "\u0000"),
    maxLength: 3_000,
  }),
);

const requests = fc.record({
  message: text,
  requestId: text,
  afterSequence: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  onBusy: fc.nat({ max: 3 }),
  generation: fc.record({
    temperature: fc.double(),
    seed: fc.integer(),
    stopSequences: fc.array(text, { maxLength: 16 }),
  }),
  attachments: fc.array(fc.record({ name: text, data: fc.uint8Array() }), { maxLength: 3 }),
});

describe("strict JSON", () => {
  it("takes every request as protobuf writes it, by either of a field's names", () => {
    fc.assert(
      fc.property(requests, fc.boolean(), (init, useProtoFieldName) => {
        const request = create(
          ChatRequestSchema,
          init as MessageInitShape<typeof ChatRequestSchema>,
        );
        const json = toJsonString(ChatRequestSchema, request, { useProtoFieldName });
        const decoded = decoderOf(ChatRequestSchema, 1_000_000).decode(Buffer.from(json));
        assert.equal(decoded, json);
        assert.equal(
          toJsonString(ChatRequestSchema, fromJsonString(ChatRequestSchema, decoded)),
          toJsonString(ChatRequestSchema, request),
        );
      }),
    );
  });

  it("takes no other bytes for JSON than JSON, and never fails in another way", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void refusalOf(bytes)));
    fc.assert(fc.property(fc.json(), (json) => void refusalOf(json)));
  });

  it("takes null for a field that is not set, and numbers for enum values", () => {
    assert.equal(refusalOf('{"message":null,"generation":null,"onBusy":2}'), undefined);
    assert.equal(refusalOf("{}", decoderOf(HealthRequestSchema)), undefined);
  });

  it("names every field that is wrong at once", () => {
    const json =
      '{"mesage":"","on_busy":"NO","generation":{"topK":"many","x":1},"attachments":[7]}';
    assert.deepEqual(
      refusalOf(json),
      undecodable("mesage", "on_busy", "generation.top_k", "generation.x", "attachments[0]"),
    );
    assert.deepEqual(refusalOf('{"a":1}', decoderOf(HealthRequestSchema)), undecodable("a"));
    const notes = decoderOf(CreateSessionRequestSchema);
    assert.deepEqual(refusalOf('{"metadata":{"a":7}}', notes), undecodable("metadata"));
  });

  it("counts what a request decodes to, not what its escapes take", () => {
    const decoder = decoderOf(ChatRequestSchema, 1_000);
    const message = "\\u0000".repeat(1_000);
    assert.equal(refusalOf(`{"message":"${message}"}`, decoder), undefined);
    const over = refusalOf(`{"message":"${message}\\u0000"}`, decoder);
    assert.deepEqual([over?.code, over?.reason], [Code.ResourceExhausted, "MESSAGE_TOO_LARGE"]);
    const wide = refusalOf(`{"message":"${"é".repeat(501)}"}`, decoder);
    assert.equal(wide?.reason, "MESSAGE_TOO_LARGE");
  });

  it("refuses crowds of values before it makes them, and not those inside texts", () => {
    for (const crowd of ["[".repeat(2_000), `[${"{},".repeat(2_000)}{}]`]) {
      assert.deepEqual(refusalOf(crowd), undecodable(""));
    }
    const inText = JSON.stringify({ message: '[{,"\\'.repeat(2_000) });
    assert.equal(refusalOf(inText), undefined);
  });
});
