import type { ServerResponse } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  createContextValues,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type CallStream, callStreamKey } from "./call.ts";
import { requestIdKey } from "./caller.ts";
import { clampTimeout } from "./deadline.ts";
import { needsHttp2, sendProtocolError, wrongContentType } from "./protocol-errors.ts";
import { readBody } from "./request-body.ts";

/**
 * Connect's own decoder puts replacement characters in the place of bytes that are no UTF-8, and the text would
 * not be what the client sent (DESIGN section 2, rule 14). It takes another one here; its type does not say so.
 */
const strictJson = {
  textDecoder: new TextDecoder("utf-8", { fatal: true }),
} as ConnectRouterOptions["jsonOptions"] & object;

export type MountOptions = ConnectRouterOptions & {
  routes: (router: ConnectRouter) => void;
};

/**
 * Mounts Connect's handlers on Fastify: every RPC speaks gRPC, gRPC-Web and Connect at its one path. It does
 * what @connectrpc/connect-fastify does, and beyond it clamps absurd deadlines, refuses invalid UTF-8 in
 * JSON, tells callers with a wrong content type what to send, and logs with Fastify's logger.
 */
export async function mountRpcs(
  fastify: FastifyInstance,
  { routes, ...routerOptions }: MountOptions,
): Promise<void> {
  const router = createConnectRouter({
    acceptCompression: [compressionGzip],
    jsonOptions: strictJson,
    ...routerOptions,
  });
  routes(router);
  // The handlers read the bodies themselves; this holds for the routes below alone.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser("*", (_request, _payload, done) => done(null, undefined));
  for (const handler of router.handlers) {
    fastify.all(handler.requestPath, (request, reply) => answer(handler, request, reply));
  }
}

async function answer(handler: UniversalHandler, request: FastifyRequest, reply: FastifyReply) {
  clampTimeout(request.raw.headers);
  const values = createContextValues().set(requestIdKey, request.id);
  const stream = streamOf(request);
  if (stream) values.set(callStreamKey, stream);
  const call = universalRequestFromNodeRequest(request.raw, reply.raw, undefined, values);
  const response = await handler({ ...call, body: readBody(request.raw, reply.raw) });
  if (response.status === 405 || response.status === 415) {
    const { "content-type": contentType = "" } = request.headers;
    const error = wrongContentType(urlOf(request), contentType, handler.method);
    return sendProtocolError(request.headers, reply, error, response.status);
  }
  if (response.status === 505) {
    reply.header("connection", "close");
    return sendProtocolError(request.headers, reply, needsHttp2(urlOf(request)), 505);
  }
  reply.hijack();
  copyHeaders(reply);
  ignoreErrors(reply.raw);
  universalResponseToNodeResponse(response, reply.raw).catch((error: unknown) => {
    const { code } = ConnectError.from(error);
    const level = code === Code.Aborted || code === Code.Canceled ? "trace" : "debug";
    request.log[level]({ err: error, rpc: handler.requestPath }, "the response was cut off");
  });
  return reply;
}

function streamOf({ raw }: FastifyRequest): CallStream | undefined {
  if (!("stream" in raw)) return undefined;
  // A destroyed stream no longer knows its session.
  const stream = raw.stream as ServerHttp2Stream;
  return { stream, session: stream.session };
}

/** Hooks have set headers on the reply (CORS); the handlers write to the raw response. */
function copyHeaders(reply: FastifyReply): void {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value);
  }
}

/** A stream without this listener ends the process when its session is cut off. */
function ignoreErrors(response: ServerResponse): void {
  response.on("error", () => undefined);
}

function urlOf(request: FastifyRequest): string {
  return `${request.protocol}://${request.host}${request.url.split("?")[0]}`;
}
