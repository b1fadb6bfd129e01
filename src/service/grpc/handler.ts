import { Code, ConnectError, type MethodImplSpec } from "@connectrpc/connect";
import {
  invokeUnaryImplementation,
  type UniversalHandlerOptions,
  validateUniversalHandlerOptions,
} from "@connectrpc/connect/protocol";
import { headerEncoding, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { unlessAborted } from "../../chat/unless-aborted.ts";
import { type CallCodec, createCodecs } from "./codec.ts";
import { type CallContext, createCallContext, type GrpcRequest } from "./context.ts";
import { invokeStream, onlyOne } from "./invoke-stream.ts";
import type { GrpcReply } from "./reply.ts";

/** Serves one call to its end, and does not throw. `openReply` is called once, with the reply's headers. */
export type GrpcHandler = (
  request: GrpcRequest,
  openReply: (header: Headers) => GrpcReply,
) => Promise<void>;

type CheckedOptions = ReturnType<typeof validateUniversalHandlerOptions>;

/**
 * Serves an RPC over native gRPC with protobuf on HTTP/2 as Connect's own handler does: the same gate, interceptors,
 * context, limits, compression and errors (connect 2.2.0, protocol-grpc/handler-factory.js; Connect's stays in use for
 * every other protocol). Connect moves each message through a chain of down-levelled async generators; here it is one
 * loop, and messages that are there together leave together.
 */
export function createGrpcHandler(
  spec: MethodImplSpec,
  options: Partial<UniversalHandlerOptions>,
): GrpcHandler {
  const checked = validateUniversalHandlerOptions(options);
  const codecOf = createCodecs(spec.method, checked.acceptCompression, checked);
  return async (request, openReply) => {
    const codec = codecOf(request.header);
    const context = createCallContext(spec, request, checked);
    const { responseHeader, responseTrailer } = context;
    if (codec.responseEncoding) responseHeader.set(headerEncoding, codec.responseEncoding);
    const reply = openReply(responseHeader);
    try {
      await checked.requestGate?.(context);
      await serve(spec, context, { codec, reply, body: request.body, ...checked });
      context.abort();
    } catch (error) {
      context.abort(error);
      setTrailerStatus(responseTrailer, asConnectError(error));
    }
    reply.end(responseTrailer);
  };
}

type Served = Pick<CheckedOptions, "interceptors"> & {
  codec: CallCodec;
  body: GrpcRequest["body"];
  reply: GrpcReply;
};

async function serve(
  spec: MethodImplSpec,
  context: CallContext,
  { codec, body, reply, interceptors }: Served,
): Promise<void> {
  const requests = codec.read(body);
  const send = (bytes: Uint8Array) => {
    const held = reply.send(bytes);
    return held && unlessAborted(held, context.signal);
  };
  if (spec.kind === "unary") {
    const message = (await onlyOne(requests, "unary")) as never;
    const response = await invokeUnaryImplementation(spec, context, message, interceptors);
    await send(await codec.encode(response));
    return;
  }
  for await (const response of await invokeStream(spec, context, requests, interceptors)) {
    const encoded = codec.encode(response);
    const sent = send(encoded instanceof Promise ? await encoded : encoded);
    if (sent) await sent;
    if (!reply.isOpen()) break;
  }
}

function asConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}
