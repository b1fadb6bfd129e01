import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { Http2ServerRequest, ServerHttp2Stream } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ChatError } from "../chat/errors.ts";
import { type CallStream, callStreamKey } from "./call.ts";
import { requestIdKey } from "./caller.ts";
import { toCallError, toConnectError } from "./convert-errors.ts";
import { authChallenge, type Peer, peerKey } from "./gate.ts";
import { closeSignal, headersOf } from "./grpc/context.ts";
import type { GrpcHandler } from "./grpc/handler.ts";
import { createGrpcReply } from "./grpc/reply.ts";
import { withPlainMessage } from "./grpc-message.ts";
import { clientSignalKey } from "./interceptors/explain-read-errors.ts";
import { sendProtocolError } from "./protocol-errors.ts";
import type { RecordRefusal } from "./refused-calls.ts";
import { readBody, requestBodyKey } from "./request-body.ts";
import {
  contentTypeUnknown,
  getIncomplete,
  http2Required,
  isGettable,
  methodNotAllowed,
  undecodable,
} from "./request-errors.ts";
import { checkHeaders, isBase64 } from "./request-headers.ts";
import { copyHeaders } from "./response-headers.ts";
import { createHandlers, type HandlerOptions } from "./rpc-handlers.ts";
import { failedAtOnce, sendTrailersOnly } from "./trailers-only.ts";
import { wholeMessages } from "./whole-messages.ts";

/** JSON may write each byte of a text as six characters (`\\u0000`). */
const jsonBytesPerByte = 6;

export type MountOptions = HandlerOptions & {
  peerOf: (request: FastifyRequest) => Peer;
  onRefusedCall: RecordRefusal;
};

/**
 * Mounts Connect's handlers on Fastify: every RPC speaks gRPC, gRPC-Web and Connect at its one path. It does
 * what @connectrpc/connect-fastify does, and beyond it reads JSON strictly, refuses headers that cannot be
 * right, gives every refusal the form of its caller's protocol, and logs with Fastify's logger.
 *
 * While a message is read, its call holds it at most four times: as it came, inflated, as text (JSON), decoded.
 * With the default MESSAGE_BYTES_MAX each is at most 1.2 MiB, and 7 MiB for the first three of JSON.
 */
export async function mountRpcs(fastify: FastifyInstance, options: MountOptions): Promise<void> {
  const { peerOf, onRefusedCall, ...handlerOptions } = options;
  const { requestBytesMax } = options;
  const binary = createHandlers(handlerOptions, requestBytesMax);
  const json = createHandlers(handlerOptions, jsonBytesPerByte * requestBytesMax);
  // The handlers read the bodies themselves; this holds for the routes below alone.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser("*", (_request, _payload, done) => done(null, undefined));
  fastify.setErrorHandler((thrown, request, reply) => {
    const rpc = binary.get(request.routeOptions.url ?? "")?.connect.method;
    if (rpc && isMediaTypeError(thrown)) {
      const refusal = toConnectError(unknownTypeOf(request, rpc));
      onRefusedCall(request, refusal);
      return sendProtocolError(request.headers, reply, refusal, 415);
    }
    const { error, unexpected } = toCallError(thrown);
    if (unexpected) options.report({ rpc: request.url, requestId: request.id, error: thrown });
    return sendProtocolError(request.headers, reply, error);
  });
  for (const [path, { connect, grpc }] of binary) {
    const inJson = json.get(path)?.connect ?? connect;
    const forms = { binary: connect, json: inJson, grpc, peerOf, onRefusedCall };
    fastify.all(path, (request, reply) => answer(forms, request, reply));
  }
}

/** An RPC's handlers, by the form of its requests. */
type Forms = {
  binary: UniversalHandler;
  json: UniversalHandler;
  grpc: GrpcHandler;
} & Pick<MountOptions, "peerOf" | "onRefusedCall">;

/** Native gRPC with protobuf, as it may be written. */
const nativeGrpc = /^application\/grpc(?:\+proto)?$/i;

async function answer(forms: Forms, request: FastifyRequest, reply: FastifyReply) {
  const { headers } = request.raw;
  const { method } = forms.binary;
  if (method.methodKind !== "unary") reply.header("x-accel-buffering", "no");
  const body = readBody(request.raw, reply.raw);
  const wrong = checkHeaders(headers, request.raw.rawHeaders) ?? checkUrl(request);
  if (wrong) {
    const error = toConnectError(wrong);
    forms.onRefusedCall(request, error);
    return sendProtocolError(headers, reply, error);
  }

  const contentType = headers["content-type"] ?? "";
  const isJson = /[/+]json\b/.test(contentType);
  const isEnveloped = /^application\/(?:grpc|connect\+)/.test(contentType);
  const handler = isJson ? forms.json : forms.binary;
  const values = createContextValues().set(requestIdKey, request.id).set(requestBodyKey, body);
  const stream = streamOf(request);
  if (stream) values.set(callStreamKey, stream);
  const peer = forms.peerOf(request);
  if (stream && request.method === "POST" && nativeGrpc.test(contentType)) {
    const raw = request.raw as unknown as Http2ServerRequest;
    const signal = noteCaller(values, peer, { closed: closeSignal(raw), headers });
    const call = { url: urlOf(request), header: headersOf(raw), signal, body };
    const openReply = (header: Headers) => createGrpcReply(reply.raw, header);
    // Not before: what is thrown until here is Fastify's to answer.
    reply.hijack();
    copyHeaders(reply);
    await forms.grpc({ ...call, contextValues: values }, openReply);
    return reply;
  }
  const call = universalRequestFromNodeRequest(request.raw, reply.raw, undefined, values);
  const signal = noteCaller(values, peer, { closed: call.signal, headers });
  const requestBody = isEnveloped ? wholeMessages(body) : body;
  const response = await handler({ ...call, signal, body: requestBody });
  const refusal = refusalOf(response.status, request, method);
  if (refusal) {
    const { status } = refusal;
    const error = toConnectError(refusal.error);
    forms.onRefusedCall(request, error);
    if (status === 405) reply.header("allow", isGettable(method) ? "GET, POST" : "POST");
    if (status === 505) reply.header("connection", "close");
    return sendProtocolError(headers, reply, error, status);
  }
  if (response.status === 401) reply.header("www-authenticate", authChallenge);
  reply.hijack();
  copyHeaders(reply);
  ignoreErrors(reply.raw);
  const { header = new Headers(), trailer = new Headers() } = response;
  if (failedAtOnce(response) && sendTrailersOnly(reply.raw, header, withPlainMessage(trailer))) {
    return reply;
  }
  // The status is in the trailer when the response has ended; it is read then.
  const told: UniversalServerResponse = response.trailer
    ? {
        ...response,
        get trailer() {
          return withPlainMessage(trailer);
        },
      }
    : response;
  universalResponseToNodeResponse(told, reply.raw).catch((error: unknown) => {
    const { code } = ConnectError.from(error);
    const level = code === Code.Aborted || code === Code.Canceled ? "trace" : "debug";
    request.log[level]({ err: error, rpc: handler.requestPath }, "the response was cut off");
  });
  return reply;
}

/** Notes who calls and from where; the signal of the call, which aborts with its connection or its credential. */
function noteCaller(
  values: ContextValues,
  peer: Peer,
  { closed, headers }: { closed: AbortSignal; headers: IncomingHttpHeaders },
): AbortSignal {
  const { signal, endCall } = endable(closed, canEnd(headers, peer));
  values.set(clientSignalKey, closed).set(peerKey, { ...peer, endCall });
  return signal;
}

/** Whether the call has a credential, which may run out before the call is over. */
function canEnd({ authorization }: IncomingHttpHeaders, { certificate }: Peer): boolean {
  return authorization !== undefined || certificate !== undefined;
}

/** A signal with a way to abort it; the plain one where nobody will, which is cheaper. */
function endable(signal: AbortSignal, canEnd: boolean) {
  if (!canEnd) return { signal, endCall: () => undefined };
  const ended = new AbortController();
  const endCall = (reason: unknown) => ended.abort(reason);
  return { signal: AbortSignal.any([signal, ended.signal]), endCall };
}

/** What Connect refuses by an HTTP status alone, with the words that it has not. */
function refusalOf(
  status: number,
  request: FastifyRequest,
  method: DescMethod,
): { status: number; error: ChatError } | undefined {
  const url = urlOf(request);
  if (status === 505) return { status, error: http2Required(url) };
  if (status !== 405 && status !== 415) return undefined;
  if (request.method === "GET" && isGettable(method)) return { status, error: getIncomplete(url) };
  if (request.method !== "POST") {
    return { status: 405, error: methodNotAllowed(url, request.method, method) };
  }
  return { status, error: unknownTypeOf(request, method) };
}

function unknownTypeOf(request: FastifyRequest, method: DescMethod): ChatError {
  return contentTypeUnknown(urlOf(request), request.headers["content-type"] ?? "", method);
}

/** Of a content type that is none Fastify does not come to the route's handler. */
function isMediaTypeError(thrown: unknown): boolean {
  return (thrown as { code?: unknown }).code === "FST_ERR_CTP_INVALID_MEDIA_TYPE";
}

/** A Host that makes no URL, and a message in the query that is no base64, are thrown as INTERNAL by Connect. */
function checkUrl(request: FastifyRequest): ChatError | undefined {
  const url = URL.parse(request.url, `http://${request.host}`);
  if (!url) return undecodable("its Host header and path make no URL");
  const { searchParams } = url;
  if (searchParams.get("base64") !== "1") return undefined;
  const isValid = isBase64(searchParams.get("message") ?? "");
  return isValid ? undefined : undecodable("its message is not base64, as base64=1 says");
}

function streamOf({ raw }: FastifyRequest): CallStream | undefined {
  if (!("stream" in raw)) return undefined;
  // A destroyed stream no longer knows its session.
  const stream = raw.stream as ServerHttp2Stream;
  return { stream, session: stream.session };
}

/** A stream without this listener ends the process when its session is cut off. */
function ignoreErrors(response: ServerResponse): void {
  response.on("error", () => undefined);
}

function urlOf(request: FastifyRequest): string {
  return `${request.protocol}://${request.host}${request.url.split("?")[0]}`;
}
