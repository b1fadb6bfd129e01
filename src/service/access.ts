import { Code, ConnectError } from "@connectrpc/connect";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { errorDomain, toConnectError } from "./convert-errors.ts";
import { looksLikeRpc, sendProtocolError } from "./protocol-errors.ts";
import type { RecordRefusal } from "./refused-calls.ts";
import { unknownRpc } from "./request-errors.ts";
import { answerHeaders } from "./response-headers.ts";

/** Whether a request may be served, and what its caller is told where it may not. */
export type AccessCheck = (
  request: FastifyRequest["raw"],
) => { allowed: true } | { allowed: false; reason: string; message: string };

/**
 * Refuses what the check refuses, before anything is read, in the caller's own protocol; a path that is not written
 * plainly has no RPC and no page.
 */
export function guardAccess(
  fastify: FastifyInstance,
  check: AccessCheck,
  onRefused: RecordRefusal,
): void {
  fastify.addHook("onRequest", async (request, reply) => {
    const decision = check(request.raw);
    if (decision.allowed) {
      return isDisguised(pathOf(request))
        ? answerUnknownPath(request, reply, onRefused)
        : undefined;
    }
    const { reason, message } = decision;
    const info = { desc: ErrorInfoSchema, value: { reason, domain: errorDomain } };
    const error = new ConnectError(message, Code.PermissionDenied, undefined, [info]);
    if (isCall(request)) onRefused(request, error);
    return sendProtocolError(request.headers, reply, error);
  });
}

/** Answers what no route has: an unknown RPC with UNIMPLEMENTED in its caller's protocol, anything else with 404. */
export function answerUnknownPaths(fastify: FastifyInstance, onRefused: RecordRefusal): void {
  // Nobody reads what comes with such a request; Fastify's own parsers would judge it first.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser("*", (_request, _payload, done) => done(null, undefined));
  fastify.setNotFoundHandler((request, reply) => answerUnknownPath(request, reply, onRefused));
}

/** The same for one request, also for a path that Fastify itself cannot read (`/%zz`) and runs no hook for. */
export function answerUnknownPath(
  request: FastifyRequest,
  reply: FastifyReply,
  onRefused: RecordRefusal,
): FastifyReply {
  reply.headers(answerHeaders);
  if (isCall(request)) {
    const error = toConnectError(unknownRpc(pathOf(request)));
    onRefused(request, error);
    return sendProtocolError(request.headers, reply, error);
  }
  return reply.code(404).type("text/plain").send("there is no such page\n");
}

/**
 * Whether a path has characters written as escapes that need none. The router would take `/%6detrics` for `/metrics`,
 * and a proxy's rule by path would not. Only what is behind `/s/`, a session's id, is free text.
 */
function isDisguised(path: string): boolean {
  return path.includes("%") && !path.startsWith("/s/");
}

function isCall(request: FastifyRequest): boolean {
  const { "content-type": contentType = "" } = request.headers;
  return looksLikeRpc(pathOf(request)) || contentType.startsWith("application/grpc");
}

function pathOf(request: FastifyRequest): string {
  return request.url.split("?")[0] ?? "";
}
