import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  type MessageInitShape,
  ScalarType,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { ChatError } from "../../../src/chat/errors.ts";
import { limits } from "../../../src/chat/limits.ts";
import {
  CancelTurnRequestSchema,
  ChatRequestSchema,
  ChatService,
  CreateSessionRequestSchema,
  ListMessagesRequestSchema,
  UpdateSessionRequestSchema,
  WatchSessionRequestSchema,
} from "../../../src/gen/chat/chat_pb.ts";
import { otherFieldsBytesMax } from "../../../src/service/services.ts";
import {
  requestRules,
  validateCancelTurn,
  validatePage,
  validateRequest,
  validateWatch,
} from "../../../src/service/validate.ts";

/** Every message that a client sends, the nested ones too. */
const sent = new Set<DescMessage>(ChatService.methods.map(({ input }) => input));
for (const { fields } of sent) for (const { message } of fields) if (message) sent.add(message);

/** The fields that a validation names. */
function violations(validate: () => unknown): string[] {
  try {
    validate();
    return [];
  } catch (error) {
    assert.ok(error instanceof ChatError, String(error));
    assert.deepEqual([error.kind, error.reason], ["invalid_argument", "INVALID_REQUEST"]);
    return error.fields.map(({ field }) => field);
  }
}

describe("the rules of requests", () => {
  it("have one for each field of each message that an RPC takes, and no other", () => {
    assert.deepEqual(
      Object.keys(requestRules).sort(),
      [...sent].map(({ typeName }) => typeName).sort(),
    );
    for (const { typeName, fields } of sent) {
      const ruled = Object.keys(requestRules[typeName] ?? {}).sort();
      assert.deepEqual(ruled, fields.map(({ localName }) => localName).sort(), typeName);
    }
  });

  for (const { input, name } of ChatService.methods) {
    it(`bound every text, list, map and enum of ${name}`, () => {
      for (const [path, request] of oversized(input)) {
        assert.ok(violations(() => validateRequest(request)).includes(path), path);
      }
    });
  }

  it("leave the largest legal requests room on the wire, and nothing much above it", () => {
    for (const request of [largestChat(), largestUpdate()]) {
      const { schema, message } = request;
      assert.deepEqual(
        violations(() => validateRequest(message)),
        [],
      );
      const bytesMax = limits.messageBytesMax + otherFieldsBytesMax;
      assert.ok(toBinary(schema, message).length < bytesMax);
      assert.ok(Buffer.byteLength(toJsonString(schema, message)) < 6 * bytesMax);
    }
    const { schema, message } = largestChat();
    const others = toBinary(schema, message).length - limits.messageBytesMax;
    assert.ok(others > 0.8 * otherFieldsBytesMax, `${others}`);
  });
});

/** A request for each field that can be large or unknown, with too much in it, by the field's path. */
function* oversized(desc: DescMessage, prefix = ""): Generator<[string, Message]> {
  for (const field of desc.fields) {
    const path = prefix + field.name;
    const value = tooMuch(field);
    if (value !== undefined) yield [path, create(desc, { [field.localName]: value })];
    if (field.fieldKind !== "message") continue;
    for (const [inner, message] of oversized(field.message, `${path}.`)) {
      const request = create(desc);
      reflect(desc, request).set(field, reflect(field.message, message));
      yield [inner, request];
    }
  }
}

function tooMuch(field: DescField): unknown {
  if (field.fieldKind === "list") {
    return Array.from({ length: 2_000 }, () => (field.message ? create(field.message) : "a"));
  }
  if (field.fieldKind === "map") {
    return Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`key ${index}`, ""]));
  }
  if (field.fieldKind === "enum") return 99;
  if (field.scalar === ScalarType.STRING) return "x".repeat(limits.messageBytesMax + 1);
  if (field.scalar === ScalarType.UINT64) return 2n ** 63n;
  return undefined;
}

const filled = (length: number, bytesMax: number) =>
  Array.from({ length }, (_, index) => String(index).padEnd(bytesMax, "\u0001"));

/** As much of everything as the limits let a request have. */
const settings = {
  modelId: "\u0001".repeat(limits.modelIdBytesMax),
  systemInstruction: "\u0001".repeat(limits.systemInstructionBytesMax),
  requestId: "\u0001".repeat(limits.idBytesMax),
  generation: {
    temperature: Number.MIN_VALUE,
    topP: Number.MIN_VALUE,
    topK: limits.topKMax,
    seed: -2_147_483_648,
    maxOutputTokens: limits.outputTokensMax,
    thinkingTokensMax: limits.thinkingTokensMax,
    includeThoughts: true,
    stopSequences: filled(limits.stopSequencesMax, limits.stopSequenceBytesMax),
    responseJsonSchema: `{"a":"${'\\"'.repeat(limits.responseJsonSchemaBytesMax / 2 - 4)}"}`,
  },
};

function largestChat() {
  const id = settings.requestId;
  const init: MessageInitShape<typeof ChatRequestSchema> = {
    ...settings,
    message: "\u0000".repeat(limits.messageBytesMax),
    sessionId: id,
    messageId: id,
    turnId: id,
    timestamp: "\u0001".repeat(limits.timestampBytesMax),
    afterSequence: BigInt(Number.MAX_SAFE_INTEGER),
    afterEpoch: 4_294_967_295,
  };
  return { schema: ChatRequestSchema, message: create(ChatRequestSchema, init) };
}

function largestUpdate() {
  const { requestId: sessionId, ...others } = settings;
  const values = filled(limits.metadataEntriesMax, limits.metadataValueBytesMax);
  const init: MessageInitShape<typeof UpdateSessionRequestSchema> = {
    ...others,
    sessionId,
    title: "\u{10ffff}".repeat(limits.titleCharactersMax),
    etag: "\u0001".repeat(limits.etagBytesMax),
    updateMask: ["title", "system_instruction", "generation", "metadata", "model_id"],
    metadata: Object.fromEntries(
      values.map((value, index) => [String(index).padEnd(limits.metadataKeyBytesMax), value]),
    ),
  };
  return { schema: UpdateSessionRequestSchema, message: create(UpdateSessionRequestSchema, init) };
}

describe("a request", () => {
  it("is told of every field that is out of bounds at once", () => {
    const request = create(CreateSessionRequestSchema, {
      title: "é".repeat(201),
      requestId: "\ud800",
      generation: { temperature: Number.NaN, topP: 1.1, topK: 0, stopSequences: ["", "a"] },
      metadata: { "": "a", key: "v".repeat(513) },
    });
    assert.deepEqual(
      violations(() => validateRequest(request)).sort(),
      [
        'metadata[""]',
        'metadata["key"]',
        "generation.stop_sequences[0]",
        "generation.temperature",
        "generation.top_k",
        "generation.top_p",
        "request_id",
        "title",
      ].sort(),
    );
  });

  it("counts bytes where a bound is in bytes and code points where it is in characters", () => {
    const title = "😀".repeat(limits.titleCharactersMax);
    const modelId = "é".repeat(limits.modelIdBytesMax / 2);
    const legal = create(CreateSessionRequestSchema, { title, modelId });
    assert.deepEqual(
      violations(() => validateRequest(legal)),
      [],
    );
    const over = create(CreateSessionRequestSchema, { title: `${title}a`, modelId: `${modelId}a` });
    assert.deepEqual(violations(() => validateRequest(over)).sort(), ["model_id", "title"]);
  });

  it("may have a schema that is a JSON object, and not too deep", () => {
    const schema = (responseJsonSchema: string) =>
      violations(() =>
        validateRequest(create(CreateSessionRequestSchema, { generation: { responseJsonSchema } })),
      );
    for (const legal of ["", "{}", `{"a":${"[".repeat(90)}${"]".repeat(90)}}`]) {
      assert.deepEqual(schema(legal), []);
    }
    for (const wrong of ["[]", "7", "{", `{"a":${"[".repeat(30_000)}${"]".repeat(30_000)}}`]) {
      assert.deepEqual(schema(wrong), ["generation.response_json_schema"]);
    }
  });

  it("for a page has a size within bounds", () => {
    const page = (pageSize: number) =>
      validatePage(create(ListMessagesRequestSchema, { sessionId: "a", pageSize })).pageSize;
    assert.deepEqual([page(0), page(7), page(9_999)], [50, 7, 200]);
    assert.deepEqual(
      violations(() => page(-1)),
      ["page_size"],
    );
  });

  it("names what it watches or cancels", () => {
    const watch = (sessionList: boolean) =>
      violations(() => validateWatch(create(WatchSessionRequestSchema, { sessionList })));
    assert.deepEqual([watch(false), watch(true)], [["session_id"], []]);
    const cancel = (requestId: string) =>
      violations(() => validateCancelTurn(create(CancelTurnRequestSchema, { requestId })));
    assert.deepEqual([cancel(""), cancel("a")], [["session_id"], []]);
  });
});
