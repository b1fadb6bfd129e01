import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ChatError, type FieldViolation } from "../chat/errors.ts";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { toConnectError } from "./convert-errors.ts";

/** The compressions that requests may have, by their names on the wire. */
const encodings = ["gzip", "identity"];

/** A request whose bytes, frames, compression or JSON cannot be read; the fields that are to blame, where known. */
export function undecodable(description: string, fields?: FieldViolation[]): ChatError {
  const message = `the request cannot be decoded: ${description}`;
  return new ChatError("invalid_argument", "REQUEST_UNDECODABLE", message, {
    fields: fields ?? [{ field: "", description }],
  });
}

/** A message of more bytes than are read; they are counted after decompression. */
export function messageTooLarge(bytesMax: number): ChatError {
  return new ChatError(
    "resource_exhausted",
    "MESSAGE_TOO_LARGE",
    `the request is over ${bytesMax} bytes; the server's MESSAGE_BYTES_MAX sets how much it reads`,
    { metadata: { bytes_max: String(bytesMax) } },
  );
}

/** Compression by a name that the server does not speak. */
function compressionUnknown(encoding: string): ChatError {
  return new ChatError(
    "unimplemented",
    "COMPRESSION_UNKNOWN",
    `compression ${quote(encoding)} is not known here; send ${encodings.join(" or ")}`,
  );
}

/** No message, or a second one, where an RPC takes one. */
function messageCountWrong(description: string): ChatError {
  return new ChatError("unimplemented", "MESSAGE_COUNT_WRONG", description);
}

/** A deadline header that its protocol does not have. */
export function timeoutInvalid(header: string, value: string): ChatError {
  const form =
    header === "grpc-timeout"
      ? "one to eight digits and a unit of H, M, S, m, u or n"
      : "one to ten digits, milliseconds";
  const message = `${header} ${quote(value)} is no timeout: ${form}`;
  return new ChatError("invalid_argument", "TIMEOUT_INVALID", message);
}

/** A header whose name ends with `-bin` and whose value is no base64. */
export function metadataInvalid(header: string): ChatError {
  const message = `the header ${header} is no base64, and its name ends with -bin`;
  return new ChatError("invalid_argument", "METADATA_INVALID", message);
}

/** Two credentials: a proxy in front may have judged the other one. */
export function credentialRepeated(): ChatError {
  const message = "there is more than one authorization header; send one";
  return new ChatError("invalid_argument", "METADATA_INVALID", message);
}

/** A content type that no protocol has at this path. */
export function contentTypeUnknown(url: string, contentType: string, rpc: DescMethod): ChatError {
  const sent = contentType === "" ? "no content-type" : `content-type ${quote(contentType)}`;
  const message = `${sent} is none that ${rpc.name} speaks; it is: ${commandFor(url, rpc)}`;
  return new ChatError("invalid_argument", "CONTENT_TYPE_UNKNOWN", message);
}

/** An HTTP method that an RPC does not have. */
export function methodNotAllowed(url: string, method: string, rpc: DescMethod): ChatError {
  const readers = rpc.parent.methods.filter(isGettable).map(({ name }) => name);
  const get = readers.length === 0 ? "" : `; GET is for ${readers.join(", ")}`;
  const message = `${rpc.name} takes POST, not ${method}: ${commandFor(url, rpc)}${get}`;
  return new ChatError("unimplemented", "METHOD_NOT_ALLOWED", message);
}

/** A GET that names no encoding or message. */
export function getIncomplete(url: string): ChatError {
  const message = `a GET carries its message in the query: curl '${url}?connect=v1&encoding=json&message=%7B%7D'`;
  return new ChatError("invalid_argument", "CONTENT_TYPE_UNKNOWN", message);
}

/** A stream of requests over HTTP/1.1. */
export function http2Required(url: string): ChatError {
  const message =
    "this RPC streams in both directions and needs HTTP/2; over HTTP/1.1 use StreamChat or SendMessage " +
    `(with curl: --http2-prior-knowledge '${url}')`;
  return new ChatError("unimplemented", "HTTP2_REQUIRED", message);
}

/** An RPC that there is not. */
export function unknownRpc(path: string): ChatError {
  return new ChatError("unimplemented", "NOT_IMPLEMENTED", `there is no RPC ${path}`);
}

/** Whether Connect answers a GET of this RPC: it is unary and changes nothing. */
export function isGettable({ methodKind, idempotency }: DescMethod): boolean {
  return methodKind === "unary" && idempotency === Idempotency.NO_SIDE_EFFECTS;
}

/**
 * What a call ends with whose request Connect could not read. Connect tells such faults by their code alone,
 * which is not always the one that fits: a message that is no protobuf is its INTERNAL.
 */
export function toReadError(
  error: unknown,
  { header, bytesMax }: { header: Headers; bytesMax: number },
): ConnectError {
  const failure = ConnectError.from(error);
  if (hasErrorInfo(failure)) return failure;
  switch (failure.code) {
    case Code.ResourceExhausted:
      return toConnectError(messageTooLarge(bytesMax));
    case Code.Unimplemented: {
      const encoding = unknownEncoding(header);
      if (encoding !== undefined) return toConnectError(compressionUnknown(encoding));
      return toConnectError(messageCountWrong(failure.rawMessage));
    }
    case Code.InvalidArgument:
    case Code.Internal:
      return toConnectError(undecodable(failure.rawMessage));
    default:
      return withReason(failure);
  }
}

/** The reasons of what Connect itself ends calls with. An error that has a reason stays as it is. */
export function withReason(error: ConnectError): ConnectError {
  if (hasErrorInfo(error)) return error;
  if (error.code === Code.DeadlineExceeded) {
    const message = "the call's deadline has passed";
    return toConnectError(
      new ChatError("deadline_exceeded", "DEADLINE_EXCEEDED", message, { cause: error }),
    );
  }
  if (error.code === Code.Canceled) {
    const message = "the call was cancelled";
    return toConnectError(new ChatError("cancelled", "CALL_CANCELLED", message, { cause: error }));
  }
  return error;
}

/** Whether an error tells its reason already. */
export function hasErrorInfo(error: ConnectError): boolean {
  return error.findDetails(ErrorInfoSchema).length > 0;
}

const encodingHeaders = ["grpc-encoding", "connect-content-encoding", "content-encoding"];

function unknownEncoding(header: Headers): string | undefined {
  const named = encodingHeaders.map((name) => header.get(name));
  return named.find((name) => name !== null && !encodings.includes(name)) ?? undefined;
}

/** A command that calls the RPC, and what serves better where curl cannot read its answer. */
function commandFor(url: string, { methodKind, name }: DescMethod): string {
  if (methodKind === "unary") return `curl -H 'content-type: application/json' -d '{}' '${url}'`;
  const instead: Readonly<Record<string, string>> = {
    Chat: "SendMessage gives it the whole reply",
    StreamChat: "SendMessage gives it the whole reply",
    WatchSession: "ListMessages gives it what there is",
  };
  const hint = instead[name] === undefined ? "" : `; ${instead[name]}`;
  return `buf curl --http2-prior-knowledge -d '{}' '${url}' (curl cannot read a stream of messages${hint})`;
}

/** Somebody else's text, short and on one line. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
