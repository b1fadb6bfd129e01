import { constants, type Http2ServerRequest } from "node:http2";
import {
  Code,
  ConnectError,
  type ContextValues,
  type HandlerContext,
  type MethodImplSpec,
} from "@connectrpc/connect";
import { createDeadlineSignal, createLinkedAbortController } from "@connectrpc/connect/protocol";
import {
  contentTypeProto,
  grpcStatusOk,
  headerContentType,
  headerGrpcStatus,
  headerTimeout,
  parseTimeout,
} from "@connectrpc/connect/protocol-grpc";

/** A call as it arrives, its headers checked. */
export type GrpcRequest = {
  readonly url: string;
  readonly header: Headers;
  /** Aborts when the stream is closed, with a ConnectError where that was before its end. */
  readonly signal: AbortSignal;
  readonly body: AsyncIterable<Uint8Array>;
  readonly contextValues: ContextValues;
};

/** What handlers and interceptors see of a call, and its end. */
export type CallContext = HandlerContext & {
  /** Ends the call: stops its timer, and tells those who listen. */
  abort: (reason?: unknown) => void;
};

/** Why the signal of a call that was served has aborted; one for all, for an error costs more than a call's headers. */
const served = new DOMException("the call is over", "AbortError");

/** The context of a call, as Connect makes it (connect 2.2.0, implementation.js), without copies of its headers. */
export function createCallContext(
  { method }: MethodImplSpec,
  { url, header, signal, contextValues }: GrpcRequest,
  {
    maxTimeoutMs,
    shutdownSignal,
  }: { maxTimeoutMs: number; shutdownSignal?: AbortSignal | undefined },
): CallContext {
  const { timeoutMs } = parseTimeout(header.get(headerTimeout), maxTimeoutMs);
  const dueMs = timeoutMs === undefined ? undefined : Date.now() + timeoutMs;
  const deadline = createDeadlineSignal(timeoutMs);
  const controller = createLinkedAbortController(deadline.signal, signal, shutdownSignal);
  return {
    service: method.parent,
    method,
    requestMethod: "POST",
    protocolName: "grpc",
    url,
    signal: controller.signal,
    timeoutMs: () => (dueMs === undefined ? undefined : dueMs - Date.now()),
    requestHeader: header,
    responseHeader: new Headers([[headerContentType, contentTypeProto]]),
    responseTrailer: new Headers([[headerGrpcStatus, grpcStatusOk]]),
    values: contextValues,
    abort(reason = served) {
      deadline.cleanup();
      controller.abort(reason);
    },
  };
}

/** The headers of a request, without those that are HTTP/2's own. */
export function headersOf({ headers }: Http2ServerRequest): Headers {
  const header = new Headers();
  for (const name in headers) {
    if (name.startsWith(":")) continue;
    for (const value of [headers[name] ?? []].flat()) header.append(name, value);
  }
  return header;
}

/** Aborts when the request's stream is closed; with the error that gRPC has for its code, where it has one. */
export function closeSignal(request: Http2ServerRequest): AbortSignal {
  const controller = new AbortController();
  request.once("close", () => {
    const { rstCode } = request.stream;
    controller.abort(resetError(rstCode) ?? served);
  });
  return controller.signal;
}

/** gRPC over HTTP2, "Errors": those that are not named there are INTERNAL. STREAM_CLOSED has none. */
function resetError(rstCode: number): ConnectError | undefined {
  const { NGHTTP2_NO_ERROR, NGHTTP2_STREAM_CLOSED } = constants;
  if (rstCode === NGHTTP2_NO_ERROR || rstCode === NGHTTP2_STREAM_CLOSED) return undefined;
  const text = `the stream was closed with HTTP/2's code ${rstCode}`;
  return new ConnectError(text, resetCodes.get(rstCode) ?? Code.Internal);
}

const resetCodes: ReadonlyMap<number, Code> = new Map([
  [constants.NGHTTP2_REFUSED_STREAM, Code.Unavailable],
  [constants.NGHTTP2_CANCEL, Code.Canceled],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, Code.ResourceExhausted],
  [constants.NGHTTP2_INADEQUATE_SECURITY, Code.PermissionDenied],
]);
