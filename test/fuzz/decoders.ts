import assert from "node:assert/strict";
import {
  type DescMessage,
  fromBinary,
  fromJsonString,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { idOfApiKey } from "../../src/auth/api-key.ts";
import { createAuthenticator } from "../../src/auth/create-authenticator.ts";
import { formatKeyList, KeyFileError, parseKeyList } from "../../src/auth/key-list.ts";
import { ChatError } from "../../src/chat/errors.ts";
import { type ChatRequest, ChatService } from "../../src/gen/chat/chat_pb.ts";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { createRequestGuard } from "../../src/listener/request-guard.ts";
import { parseTraceParent } from "../../src/observability/trace-context.ts";
import { checkHeaders, isBase64 } from "../../src/service/request-headers.ts";
import { strictJson } from "../../src/service/strict-json.ts";
import { validateChatRequest, validatePage, validateRequest } from "../../src/service/validate.ts";
import { wholeMessages } from "../../src/service/whole-messages.ts";
import { createPageToken, parsePageToken } from "../../src/store/page-token.ts";
import { collect } from "../support/wire.ts";
import { always, type Effort } from "./check.ts";
import { anyMessage, anyText, mutated } from "./messages.ts";

/** The same in every run, so that a seed means the same. */
const testKey = {
  text: `cw_0123456789ab_${"A".repeat(43)}`,
  entry: {
    id: "0123456789ab",
    sha256: "0".repeat(64),
    scopes: ["chat"],
    createdAt: "2026-01-01T00:00:00Z",
  },
};

/** Whether it returns; false where it throws what `isDeclared` knows, and a failure where it throws another thing. */
function accepts(decode: () => unknown, isDeclared: (error: unknown) => boolean): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    if (isDeclared(error)) return false;
    throw error;
  }
}

const isInvalid = (error: unknown) =>
  error instanceof ChatError && error.kind === "invalid_argument" && error.fields.length > 0;

const bytes = fc.uint8Array({ maxLength: 500 });
const requests = [...new Set(ChatService.methods.map(({ input }) => input))];

/** Everything that takes bytes or text of a client, alone: never anything but what it declares to throw. */
export function fuzzDecoders(effort: Effort): void {
  for (const desc of requests) {
    fuzzBinary(effort, desc);
    fuzzJson(effort, desc);
  }
  fuzzTokens(effort);
  fuzzHeaders(effort);
  fuzzHosts(effort);
  fuzzKeys(effort);
  always("enveloped bytes come out as they came in", effort, fc.array(bytes), async (parts) => {
    async function* source() {
      yield* parts;
    }
    assert.deepEqual(Buffer.concat(await collect(wholeMessages(source()))), Buffer.concat(parts));
  });
}

function fuzzBinary(effort: Effort, desc: DescMessage): void {
  const valid = anyMessage(desc).map((message) => toBinary(desc, message));
  const any = fc.oneof(bytes, valid, mutated(valid));
  always(
    `${desc.name} in binary is read, refused by its fields, or no message`,
    effort,
    any,
    (sent) => {
      let message: ReturnType<typeof fromBinary>;
      try {
        message = fromBinary(desc, sent);
      } catch (error) {
        // Connect makes one status of whatever this throws.
        assert.ok(error instanceof Error);
        return;
      }
      accepts(() => validateRequest(message), isInvalid);
      if (desc.name === "ChatRequest") {
        accepts(() => validateChatRequest(message as ChatRequest, 1_000), isInvalid);
      }
      if (desc.name.startsWith("List") && "pageSize" in message) {
        accepts(() => validatePage(message as Parameters<typeof validatePage>[0]), isInvalid);
      }
    },
  );
}

function fuzzJson(effort: Effort, desc: DescMessage): void {
  const decoder = (
    strictJson(desc, 10_000) as unknown as { textDecoder: { decode(sent: Uint8Array): string } }
  ).textDecoder;
  const valid = anyMessage(desc).map((message) => Buffer.from(toJsonString(desc, message)));
  const alike = fc
    .dictionary(
      fc.oneof(fc.constantFrom(...desc.fields.map(({ name }) => name), "other"), anyText()),
      fc.jsonValue(),
    )
    .map((value) => Buffer.from(JSON.stringify(value)));
  const any = fc.oneof(bytes, valid, mutated(valid), alike);
  const reasons = new Set(["REQUEST_UNDECODABLE", "MESSAGE_TOO_LARGE"]);
  const isRefusal = (error: unknown) =>
    error instanceof ConnectError &&
    reasons.has(error.findDetails(ErrorInfoSchema)[0]?.reason ?? "");
  always(
    `${desc.name} in JSON is refused in words, or Connect can read it`,
    effort,
    any,
    (sent) => {
      let text = "";
      if (!accepts(() => (text = decoder.decode(sent)), isRefusal)) return;
      fromJsonString(desc, text, { ignoreUnknownFields: false });
    },
  );
}

function fuzzTokens(effort: Effort): void {
  const list = ["sessions", "anonymous"];
  const token = fc
    .record({ order: fc.integer(), id: anyText() })
    .map((key) => createPageToken(list, key));
  const changed = mutated(token.map((text) => Buffer.from(text))).map((sent) =>
    Buffer.from(sent).toString("latin1"),
  );
  const json = fc
    .jsonValue()
    .map((value) => Buffer.from(JSON.stringify(value)).toString("base64url"));
  always(
    "a page token is ours, or INVALID_ARGUMENT",
    effort,
    fc.oneof(token, changed, json, anyText()),
    (text) => {
      let key: ReturnType<typeof parsePageToken>;
      if (!accepts(() => (key = parsePageToken(list, text)), isInvalid) || !key) return;
      assert.equal(createPageToken(list, key), text);
    },
  );
}

function fuzzHeaders(effort: Effort): void {
  const value = fc.oneof(
    anyText(),
    fc
      .tuple(fc.nat(), fc.constantFrom("H", "M", "S", "m", "u", "n", "x", ""))
      .map(([n, unit]) => `${n}${unit}`),
    fc.base64String(),
    fc.array(fc.base64String()).map((values) => values.join(", ")),
  );
  const headers = fc.record(
    {
      "content-type": fc.constantFrom(
        "application/grpc",
        "application/grpc-web",
        "application/json",
      ),
      "grpc-timeout": value,
      "connect-timeout-ms": value,
      "some-bin": value,
    },
    { requiredKeys: [] },
  );
  const reasons = ["TIMEOUT_INVALID", "METADATA_INVALID"];
  always("deadlines and binary metadata are read or refused", effort, headers, (sent) => {
    const wrong = checkHeaders({ ...sent });
    assert.ok(wrong === undefined || reasons.includes(wrong.reason));
  });
  always("what counts as base64 can be decoded", effort, value, (text) => {
    if (isBase64(text)) base64Decode(text);
  });
  always("a traceparent is one or none", effort, value, (text) => void parseTraceParent(text));
}

function fuzzHosts(effort: Effort): void {
  const guard = createRequestGuard({
    allowedHosts: ["chat.example"],
    corsOrigins: [],
    anonymousLoopback: true,
  });
  const host = fc.constantFrom("localhost", "127.0.0.1", "[::1]", "chat.example", "evil.example");
  const piece = fc.oneof(
    host,
    fc.constantFrom("@", ":", "#", "/", "\\", "%00", ".", "[", "]", " ", "?"),
  );
  const authority = fc.oneof(
    fc
      .array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 4 })
      .map((all) => all.join("")),
    fc.webAuthority({ withPort: true, withUserInfo: true }),
    anyText(),
  );
  const facts = fc.record({
    authority: fc.option(authority, { nil: undefined }),
    origin: fc.option(
      fc.oneof(
        authority.map((text) => `http://${text}`),
        anyText(),
      ),
      { nil: undefined },
    ),
    encrypted: fc.boolean(),
  });
  const isOurs = (url: string) =>
    /^(?:(?:.*\.)?localhost|127(?:\.\d+){3}|\[::1\]|chat\.example)\.?$/.test(new URL(url).hostname);
  always("a Host or Origin that is let in is ours for a browser too", effort, facts, (request) => {
    const decision = guard(request);
    if (!decision.allowed) return;
    assert.ok(isOurs(`http://${request.authority}`), `${request.authority}`);
    if (request.origin !== undefined) assert.ok(isOurs(request.origin), request.origin);
  });
}

function fuzzKeys(effort: Effort): void {
  const entry = fc
    .record({ name: anyText(), principal: anyText(), limits: fc.jsonValue(), expiresAt: anyText() })
    .map((fields) => ({ ...testKey.entry, ...fields }) as never);
  const file = fc.array(entry, { maxLength: 5 }).map(formatKeyList);
  const changed = mutated(file.map((text) => Buffer.from(text))).map((sent) =>
    Buffer.from(sent).toString(),
  );
  const isBroken = (error: unknown) => error instanceof KeyFileError && error.problems.length > 0;
  always(
    "a file of keys is whole, or all that is wrong is told",
    effort,
    fc.oneof(file, changed, fc.json(), anyText()),
    (text) => {
      let keys: ReturnType<typeof parseKeyList> = [];
      if (!accepts(() => (keys = parseKeyList(text)), isBroken)) return;
      assert.deepEqual(parseKeyList(formatKeyList(keys)), keys);
    },
  );
  const key = fc.constant(testKey.text);
  const texts = fc.oneof(
    anyText(),
    key,
    mutated(key.map((text) => Buffer.from(text))).map((sent) =>
      Buffer.from(sent).toString("latin1"),
    ),
  );
  const isRefused = (error: unknown) =>
    error instanceof ChatError && error.kind === "unauthenticated";
  const scheme = fc.constantFrom("Bearer ", "bearer  ", "Basic ", "");
  always(
    "a credential of nobody is UNAUTHENTICATED",
    effort,
    fc.tuple(scheme, texts),
    async (sent) => {
      const [prefix, text] = sent;
      const id = idOfApiKey(text);
      assert.ok(id === undefined || text.startsWith(`cw_${id}_`));
      const authenticator = await createAuthenticator({
        certificates: false,
        now: () => 0,
        onProblem: () => undefined,
      });
      const authorization = prefix + text;
      const refused = authenticator.authenticate({ authorization, certificate: undefined });
      await assert.rejects(refused, isRefused);
      authenticator.close();
    },
  );
}
