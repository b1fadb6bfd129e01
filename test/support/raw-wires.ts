import http2 from "node:http2";
import { gunzipSync } from "node:zlib";
import type { JsonValue } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJson } from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { type HttpAnswer, type HttpRequest, request, type TestApp } from "./app.ts";

/** The wire of one protocol, as bytes: what a content type stands for, and the HTTP version. */
export type RawWire = {
  readonly name: string;
  readonly contentType: string;
  readonly protocol: "grpc" | "grpc-web" | "connect" | "connect-stream";
  readonly json: boolean;
  readonly http2: boolean;
};

const contentTypes = [
  ["application/grpc+proto", "grpc"],
  ["application/grpc+json", "grpc"],
  ["application/grpc-web+proto", "grpc-web"],
  ["application/grpc-web+json", "grpc-web"],
  ["application/proto", "connect"],
  ["application/json", "connect"],
  ["application/connect+proto", "connect-stream"],
  ["application/connect+json", "connect-stream"],
] as const;

/** Every protocol and encoding on HTTP/1.1 and on h2c; native gRPC on h2c alone. */
export const rawWires: readonly RawWire[] = contentTypes.flatMap(([contentType, protocol]) =>
  (protocol === "grpc" ? [true] : [false, true]).map((isHttp2) => ({
    name: `${contentType}, ${isHttp2 ? "h2c" : "HTTP/1.1"}`,
    contentType,
    protocol,
    json: contentType.endsWith("json"),
    http2: isHttp2,
  })),
);

/** Those that serve unary calls. */
export const unaryWires = rawWires.filter(({ protocol }) => protocol !== "connect-stream");

/** Those that serve streams. */
export const streamWires = rawWires.filter(({ protocol }) => protocol !== "connect");

/** A message with the five bytes that go before it in a stream; `length` may lie. */
export function envelope(message: Uint8Array, flags = 0, length = message.length): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

/** The bytes as the wire's body: enveloped, except for Connect's unary calls. */
export function bodyOf({ protocol }: RawWire, message: Uint8Array, flags = 0): Uint8Array {
  return protocol === "connect" ? message : envelope(message, flags);
}

/** The header that names the compression of what a request carries. */
export function encodingHeaderOf({ protocol }: RawWire): string {
  if (protocol === "connect") return "content-encoding";
  return protocol === "connect-stream" ? "connect-content-encoding" : "grpc-encoding";
}

/** The header that sets a deadline. */
export function timeoutHeaderOf({ protocol }: RawWire): string {
  return protocol.startsWith("connect") ? "connect-timeout-ms" : "grpc-timeout";
}

export type RawSent = {
  path: string;
  /** Without one it is a GET. */
  body?: Uint8Array;
  headers?: Record<string, string>;
};

export type RawOutcome = {
  http: number;
  headers: HttpAnswer["headers"];
  /** What the call ended with; undefined when it succeeded. */
  error: ConnectError | undefined;
};

/** Sends bytes as the body of a call and reads what its client would be told. */
export async function sendRaw(
  app: TestApp,
  wire: RawWire,
  { path, body, headers = {} }: RawSent,
): Promise<RawOutcome> {
  const type = { "content-type": wire.contentType };
  const message = body ? { path, headers: { ...type, ...headers }, body } : { path, headers };
  const answer = await (wire.http2 ? requestHttp2(app, message) : request(app, message));
  return { http: answer.status, headers: answer.headers, error: errorOf(wire, answer) };
}

/** The error that an answer is on its wire; undefined where it is none. */
export function errorOf(wire: RawWire, answer: HttpAnswer): ConnectError | undefined {
  const { headers, body, status } = answer;
  const sent = Buffer.from(body, "latin1");
  const bytes = headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent;
  if (wire.protocol === "connect") {
    return status === 200 ? undefined : fromJson(bytes.toString("utf8"));
  }
  if (wire.protocol === "connect-stream") {
    const { error } = JSON.parse(lastMessage(bytes).toString("utf8")) as { error?: JsonValue };
    return error === undefined ? undefined : fromJson(JSON.stringify(error));
  }
  const trailer = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith("grpc-")) trailer.set(name, String(value));
  }
  const inBody = bytes.length > 0 && wire.protocol === "grpc-web" ? lastMessage(bytes) : "";
  for (const line of inBody.toString().split("\r\n").filter(Boolean)) {
    const [name = "", ...value] = line.split(":");
    trailer.set(name, value.join(":").trim());
  }
  if (!trailer.has("grpc-status")) return new ConnectError(`no status in ${body}`, Code.Unknown);
  return findTrailerError(trailer);
}

function fromJson(text: string): ConnectError {
  const fallback = new ConnectError(`no Connect error: ${text}`, Code.Unknown);
  return errorFromJson(JSON.parse(text) as JsonValue, undefined, fallback);
}

/** The last message of an enveloped body. */
function lastMessage(body: Buffer): Buffer {
  let message = Buffer.alloc(0);
  for (let rest = body; rest.length > 0; ) {
    const end = 5 + rest.readUInt32BE(1);
    const isCompressed = ((rest[0] ?? 0) & 1) === 1;
    message = Buffer.from(isCompressed ? gunzipSync(rest.subarray(5, end)) : rest.subarray(5, end));
    rest = rest.subarray(end);
  }
  return message;
}

/** One request by prior knowledge; trailers read as headers. */
export async function requestHttp2(
  app: TestApp,
  { path, headers, body, method }: HttpRequest,
): Promise<HttpAnswer> {
  const session = http2.connect(app.url);
  session.on("error", () => undefined);
  try {
    const stream = session.request({
      ":method": method ?? "POST",
      ":path": path,
      te: "trailers",
      ...headers,
    });
    stream.on("error", () => undefined);
    const received: HttpAnswer["headers"] = {};
    stream.on("response", (fields) => Object.assign(received, fields));
    stream.on("trailers", (fields) => Object.assign(received, fields));
    stream.end(body);
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    const status = Number((received as Record<string, unknown>)[":status"]);
    return { status, headers: received, body: Buffer.concat(parts).toString("latin1") };
  } finally {
    session.destroy();
  }
}
