import { Code, ConnectError } from "@connectrpc/connect";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { errorDomain, toConnectError } from "./convert-errors.ts";
import { looksLikeRpc, sendProtocolError } from "./protocol-errors.ts";
import { unknownRpc } from "./request-errors.ts";
import { answerHeaders } from "./response-headers.ts";

/** Whether a request may be served, and what its caller is told where it may not. */
export type AccessCheck = (
  request: FastifyRequest["raw"],
) => { allowed: true } | { allowed: false; reason: string; message: string };

/** Refuses what the check refuses, before anything is read, in the caller's own protocol. */
export function guardAccess(fastify: FastifyInstance, check: AccessCheck): void {
  fastify.addHook("onRequest", async (request, reply) => {
    const decision = check(request.raw);
    if (decision.allowed) return undefined;
    const { reason, message } = decision;
    const info = { desc: ErrorInfoSchema, value: { reason, domain: errorDomain } };
    const error = new ConnectError(message, Code.PermissionDenied, undefined, [info]);
    return sendProtocolError(request.headers, reply, error);
  });
}

/** Answers what no route has: an unknown RPC with UNIMPLEMENTED in its caller's protocol, anything else with 404. */
export function answerUnknownPaths(fastify: FastifyInstance): void {
  // Nobody reads what comes with such a request; Fastify's own parsers would judge it first.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser("*", (_request, _payload, done) => done(null, undefined));
  fastify.setNotFoundHandler(answerUnknownPath);
}

/** The same for one request, also for a path that Fastify itself cannot read (`/%zz`) and runs no hook for. */
export function answerUnknownPath(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.headers(answerHeaders);
  const path = request.url.split("?")[0] ?? "";
  const contentType = request.headers["content-type"] ?? "";
  if (looksLikeRpc(path) || contentType.startsWith("application/grpc")) {
    return sendProtocolError(request.headers, reply, toConnectError(unknownRpc(path)));
  }
  return reply.code(404).type("text/plain").send("there is no such page\n");
}
