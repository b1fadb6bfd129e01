import { Code, ConnectError } from "@connectrpc/connect";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { errorDomain } from "./convert-errors.ts";
import { looksLikeRpc, sendProtocolError, unknownRpc } from "./protocol-errors.ts";

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
  fastify.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?")[0] ?? "";
    const contentType = request.headers["content-type"] ?? "";
    if (looksLikeRpc(path) || contentType.startsWith("application/grpc")) {
      return sendProtocolError(request.headers, reply, unknownRpc(path));
    }
    return reply.code(404).type("text/plain").send("there is no such page\n");
  });
}
