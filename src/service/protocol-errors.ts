import type { IncomingHttpHeaders } from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import * as connect from "@connectrpc/connect/protocol-connect";
import * as grpc from "@connectrpc/connect/protocol-grpc";
import * as grpcWeb from "@connectrpc/connect/protocol-grpc-web";
import type { FastifyReply } from "fastify";
import { ChatError } from "../chat/errors.ts";
import { toConnectError } from "./convert-errors.ts";

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
    const status = grpc.setTrailerStatus(new Headers(), error);
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
    .header("content-type", connect.contentTypeUnaryJson)
    .send(Buffer.from(connect.errorToJsonBytes(error, undefined)));
}

/**
 * gRPC's status in trailers. In the headers it would count only where they end the stream (gRPC over HTTP2,
 * "Trailers-Only"), and Fastify's replies end with an empty DATA frame: grpcio then reports UNKNOWN.
 */
function sendTrailers(reply: FastifyReply, contentType: string, error: ConnectError): FastifyReply {
  reply.hijack();
  reply.raw.on("error", () => undefined);
  reply.raw.writeHead(200, { "content-type": contentType });
  reply.raw.addTrailers(Object.fromEntries(grpc.setTrailerStatus(new Headers(), error)));
  reply.raw.end();
  return reply;
}

/** What a caller is told whose content type or HTTP method no protocol has at this path. */
export function wrongContentType(
  url: string,
  contentType: string,
  { methodKind }: DescMethod,
): ConnectError {
  const sent = contentType === "" ? "no content type" : `content-type ${contentType}`;
  const command =
    methodKind === "unary"
      ? `curl -H 'content-type: application/json' -d '{}' '${url}'`
      : `buf curl --http2-prior-knowledge -d '{}' '${url}' (curl cannot read a stream of messages; SendMessage gives it the whole reply)`;
  const message = `${sent} is none that this RPC speaks; it is: ${command}`;
  return new ConnectError(message, Code.Unknown);
}

/** What a caller is told who streams requests over HTTP/1.1. */
export function needsHttp2(url: string): ConnectError {
  const message =
    `this RPC streams in both directions and needs HTTP/2; over HTTP/1.1 use StreamChat or SendMessage ` +
    `(with curl: --http2-prior-knowledge '${url}')`;
  return new ConnectError(message, Code.Unimplemented);
}

/** What a caller is told who asks for an RPC that there is not. */
export function unknownRpc(path: string): ConnectError {
  return toConnectError(
    new ChatError("unimplemented", "NOT_IMPLEMENTED", `there is no RPC ${path}`),
  );
}

/** Whether a path has the form of an RPC's: /package.Service/Method. */
export function looksLikeRpc(path: string): boolean {
  return /^\/(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*\/[A-Za-z_]\w*$/.test(path);
}
