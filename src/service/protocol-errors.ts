import type { IncomingHttpHeaders } from "node:http";
import type { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import * as connect from "@connectrpc/connect/protocol-connect";
import * as grpc from "@connectrpc/connect/protocol-grpc";
import * as grpcWeb from "@connectrpc/connect/protocol-grpc-web";
import type { FastifyReply } from "fastify";
import { withPlainMessage } from "./grpc-message.ts";
import { copyHeaders } from "./response-headers.ts";
import { sendTrailersOnly } from "./trailers-only.ts";

/**
 * Answers a request that never reached an RPC's handler with an error of the protocol that its caller
 * speaks: gRPC's trailers, a gRPC-Web trailers-only response, a Connect end-of-stream message, or Connect's JSON,
 * which a person with curl can read as well.
 */
export function sendProtocolError(
  headers: IncomingHttpHeaders,
  reply: FastifyReply,
  error: ConnectError,
  httpStatus = connect.codeToHttpStatus(error.code),
): FastifyReply {
  const contentType = headers["content-type"] ?? "";
  if (grpc.contentTypeRegExp.test(contentType)) return sendTrailers(reply, contentType, error);
  if (grpcWeb.contentTypeRegExp.test(contentType)) {
    const status = statusOf(error);
    return reply
      .code(200)
      .headers({ ...Object.fromEntries(status), "content-type": contentType })
      .send();
  }
  if (connect.contentTypeStreamRegExp.test(contentType)) {
    const { serialize } = connect.createEndStreamSerialization(undefined);
    const message = serialize({ metadata: new Headers(), error });
    return reply
      .code(200)
      .header("content-type", contentType)
      .send(Buffer.from(encodeEnvelope(connect.endStreamFlag, message)));
  }
  return reply
    .code(httpStatus)
    .headers(Object.fromEntries(error.metadata))
    .header("content-type", connect.contentTypeUnaryJson)
    .send(Buffer.from(connect.errorToJsonBytes(error, undefined)));
}

function statusOf(error: ConnectError): Headers {
  return withPlainMessage(grpc.setTrailerStatus(new Headers(), error));
}

/** gRPC's status, as "Trailers-Only" where that can be: Fastify's own replies end with an empty DATA frame. */
function sendTrailers(reply: FastifyReply, contentType: string, error: ConnectError): FastifyReply {
  reply.hijack();
  copyHeaders(reply);
  reply.raw.on("error", () => undefined);
  const status = statusOf(error);
  if (sendTrailersOnly(reply.raw, new Headers({ "content-type": contentType }), status))
    return reply;
  reply.raw.writeHead(200, { "content-type": contentType });
  reply.raw.addTrailers(Object.fromEntries(status));
  reply.raw.end();
  return reply;
}

/** Whether a path has the form of an RPC's: /package.Service/Method. */
export function looksLikeRpc(path: string): boolean {
  return /^\/(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*\/[A-Za-z_]\w*$/.test(path);
}
