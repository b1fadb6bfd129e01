import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { create, type DescMethod, toBinary } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouterOptions,
  createConnectRouter,
  createContextValues,
  createServiceImplSpec,
  type HandlerContext,
  type Interceptor,
  type ServiceImpl,
} from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import fc from "fast-check";
import { ChatRequestSchema, ChatService } from "../../../../src/gen/chat/chat_pb.ts";
import { readEnvelopes } from "../../../../src/service/grpc/envelopes.ts";
import { createGrpcHandler } from "../../../../src/service/grpc/handler.ts";
import { wholeMessages } from "../../../../src/service/whole-messages.ts";
import { cutBytes } from "../../../support/cut-bytes.ts";
import { collect } from "../../../support/wire.ts";

/** What a client sees of a reply, and what its handler saw of the call. */
type Seen = {
  header: readonly (readonly [string, string])[];
  messages: readonly { isCompressed: boolean; text: string }[];
  trailer: readonly (readonly [string, string])[];
  calls: readonly string[];
};

/** What the handlers do, told by the message of the request: so many replies of a length, and an end. */
const endings = ["end", "refuse", "break", "refuse with headers"] as const;
type Script = { replies: number; length: number; ending: (typeof endings)[number] };

const options: ConnectRouterOptions = {
  acceptCompression: [compressionGzip],
  readMaxBytes: 300,
  writeMaxBytes: 900,
  compressMinBytes: 100,
};

const { sendMessage, streamChat, chat } = ChatService.method;

describe("the gRPC handler", () => {
  const scripts = fc.record<Script>({
    replies: fc.nat({ max: 3 }),
    length: fc.constantFrom(0, 3, 120, 1_000),
    ending: fc.constantFrom(...endings),
  });
  const request = fc.record({
    bytes: fc.oneof(
      { weight: 4, arbitrary: scripts.map(toRequest) },
      fc.uint8Array({ maxLength: 20 }),
      fc.constant(toRequest({ replies: 1, length: 1, ending: "end" }, "x".repeat(400))),
    ),
    flags: fc.constantFrom(0, 0, 0, 1, 2),
    isCompressed: fc.boolean(),
  });
  const encoding = fc.constantFrom(undefined, undefined, "gzip", "identity", "br");
  const call = fc.record({
    method: fc.constantFrom(sendMessage, streamChat, chat),
    requests: fc.array(request, { minLength: 0, maxLength: 3 }),
    // The beginning of a message that never comes. Of a whole head without its message Connect takes no notice.
    stray: fc.constantFrom(0, 0, 0, 0, 1, 4),
    parts: fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 4 }),
    headers: fc.record({
      "grpc-encoding": encoding,
      "grpc-accept-encoding": fc.constantFrom(undefined, "gzip", "identity,deflate,gzip", "br"),
      "grpc-timeout": fc.constantFrom(undefined, "60S"),
      "x-refuse": fc.constantFrom(undefined, undefined, undefined, "gate", "interceptor"),
    }),
  });

  it("answers as Connect's own does", async () => {
    await fc.assert(
      fc.asyncProperty(call, async ({ method, requests, stray, parts, headers }) => {
        const envelopes = requests.map(({ bytes, flags, isCompressed }) =>
          isCompressed ? encodeEnvelope(flags | 1, gzipSync(bytes)) : encodeEnvelope(flags, bytes),
        );
        const bytes = Buffer.concat([...envelopes, Buffer.alloc(stray)]);
        const header = headersFrom(headers);
        // Connect looks at all that a part holds before it reads the first message of it: a byte is no more than one.
        assert.deepEqual(
          await askOurs(method, cutBytes(bytes, parts), header),
          await askConnect(method, cutBytes(bytes, [1]), header),
        );
      }),
      { numRuns: 1_000 },
    );
  });
});

function toRequest(script: Script, message = ""): Uint8Array {
  const request = create(ChatRequestSchema, { message, requestId: JSON.stringify(script) });
  return toBinary(ChatRequestSchema, request);
}

function headersFrom(values: Readonly<Record<string, string | undefined>>): Headers {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return new Headers([["content-type", "application/grpc"], ...(given as [string, string][])]);
}

async function askOurs(
  method: DescMethod,
  body: AsyncIterable<Uint8Array>,
  header: Headers,
): Promise<Seen> {
  const calls: string[] = [];
  const spec = createServiceImplSpec(ChatService, handlers(calls)).methods[method.localName];
  assert.ok(spec);
  const sent: Uint8Array[] = [];
  const replied = Promise.withResolvers<{ header: Headers; trailer: Headers }>();
  const serve = createGrpcHandler(spec, { ...options, ...observers(calls) });
  await serve({ ...callOf(method), header, body }, (responseHeader) => ({
    isOpen: () => true,
    send: (bytes) => void sent.push(bytes),
    end: (trailer) => replied.resolve({ header: responseHeader, trailer }),
  }));
  const reply = await replied.promise;
  return { ...(await seenOf(reply, Buffer.concat(sent))), calls };
}

async function askConnect(
  method: DescMethod,
  body: AsyncIterable<Uint8Array>,
  header: Headers,
): Promise<Seen> {
  const calls: string[] = [];
  const router = createConnectRouter({ ...options, ...observers(calls) });
  router.service(ChatService, handlers(calls));
  const handler = router.handlers.find((each) => each.method === method);
  assert.ok(handler);
  const call = { httpVersion: "2", method: "POST", header, ...callOf(method) };
  const response = await handler({ ...call, body: wholeMessages(body) });
  const bytes = Buffer.concat(await collect(response.body ?? cutBytes(Buffer.alloc(0), [1])));
  const { header: replied = new Headers(), trailer = new Headers() } = response;
  return { ...(await seenOf({ header: replied, trailer }, bytes)), calls };
}

function callOf({ parent, name }: DescMethod) {
  return {
    url: `http://localhost/${parent.typeName}/${name}`,
    signal: new AbortController().signal,
    contextValues: createContextValues(),
  };
}

async function seenOf(
  { header, trailer }: { header: Headers; trailer: Headers },
  bytes: Buffer,
): Promise<Omit<Seen, "calls">> {
  const envelopes = await collect(readEnvelopes(cutBytes(bytes, [bytes.length || 1]), 10_000));
  const messages = envelopes.map(({ flags, data }) => ({
    isCompressed: flags === 1,
    text: Buffer.from(flags === 1 ? gunzipSync(data) : data).toString("hex"),
  }));
  return { header: [...header], messages, trailer: [...trailer] };
}

/** A gate and an interceptor that note what they see, and refuse on request. */
function observers(calls: string[]) {
  const refuseIf = (header: Headers, name: string) => {
    calls.push(name);
    if (header.get("x-refuse") !== name) return;
    throw new ConnectError(`no: ${name}`, Code.PermissionDenied, { "x-reason": "because" });
  };
  const interceptor: Interceptor = (next) => async (request) => {
    refuseIf(request.header, "interceptor");
    const response = await next(request);
    calls.push(response.stream ? "stream" : "unary");
    return response;
  };
  return {
    interceptors: [interceptor],
    requestGate: ({ requestHeader, signal }: HandlerContext) => {
      signal.addEventListener("abort", () => calls.push("over"));
      refuseIf(requestHeader, "gate");
    },
  };
}

function handlers(calls: string[]): Partial<ServiceImpl<typeof ChatService>> {
  async function* run(requestId: string, context: HandlerContext) {
    calls.push(`${context.method.name} ${requestId} ${context.protocolName} ${context.url}`);
    const { replies, length, ending } = JSON.parse(requestId || "{}") as Partial<Script>;
    context.responseHeader.set("x-handled", "yes");
    context.responseTrailer.set("x-trailed", "yes");
    for (let count = 0; count < (replies ?? 0); count += 1) {
      yield { chunkText: "c".repeat(length ?? 0) };
    }
    if (ending === "break") throw new Error("unexpected");
    if (ending?.startsWith("refuse")) {
      const headers = ending === "refuse" ? {} : { "x-why": "so" };
      throw new ConnectError("refused: 100 %, “so”", Code.Aborted, headers);
    }
  }
  return {
    async sendMessage({ requestId }, context) {
      const [first] = await collect(run(requestId, context));
      return { text: first?.chunkText ?? "" };
    },
    streamChat: ({ requestId }, context) => run(requestId, context),
    async *chat(requests, context) {
      for await (const { requestId } of requests) yield* run(requestId, context);
      calls.push("read to the end");
    },
  };
}
