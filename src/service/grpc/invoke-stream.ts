import {
  Code,
  ConnectError,
  type HandlerContext,
  type Interceptor,
  type MethodImplSpec,
  type StreamRequest,
  type StreamResponse,
} from "@connectrpc/connect";

type StreamSpec = Exclude<MethodImplSpec, { kind: "unary" }>;
type StreamFn = (request: StreamRequest) => Promise<StreamResponse>;

/** The responses of an RPC that streams, its handler called through the interceptors. */
export async function invokeStream(
  spec: StreamSpec,
  context: HandlerContext,
  requests: AsyncIterable<unknown>,
  interceptors: readonly Interceptor[],
): Promise<AsyncIterable<unknown>> {
  const { method } = spec;
  const { signal, url, values: contextValues, requestMethod, requestHeader } = context;
  const common = { stream: true, method, service: method.parent } as const;
  const handle: StreamFn = async (request) => {
    const { message, header, signal: own, contextValues: values } = request;
    const handled = { ...context, requestHeader: header, signal: own, values };
    const responses = await callHandler(spec, message, handled);
    const { responseHeader, responseTrailer } = context;
    return { ...common, message: responses, header: responseHeader, trailer: responseTrailer };
  };
  const intercepted = interceptors.reduceRight<StreamFn>(
    (next, interceptor) => interceptor(next as never) as StreamFn,
    handle,
  );
  const request = { ...common, requestMethod, url, signal, header: requestHeader, contextValues };
  const { message } = await intercepted({ ...request, message: requests } as StreamRequest);
  return message;
}

async function callHandler(
  spec: StreamSpec,
  requests: AsyncIterable<unknown>,
  context: HandlerContext,
): Promise<AsyncIterable<never>> {
  switch (spec.kind) {
    case "server_streaming":
      return spec.impl((await onlyOne(requests, "server-streaming")) as never, context) as never;
    case "bidi_streaming":
      return spec.impl(requests as never, context) as never;
    case "client_streaming": {
      const response = await spec.impl(requests as never, context);
      return (async function* () {
        yield response as never;
      })();
    }
  }
}

/** The one message of a request; throws UNIMPLEMENTED where there is none, or another after it (gRPC, status codes). */
export async function onlyOne(requests: AsyncIterable<unknown>, kind: string): Promise<unknown> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) {
    const text = `protocol error: missing input message for ${kind} method`;
    throw new ConnectError(text, Code.Unimplemented);
  }
  const second = await iterator.next();
  if (second.done !== true) {
    const text = `protocol error: received extra input message for ${kind} method`;
    throw new ConnectError(text, Code.Unimplemented);
  }
  return first.value;
}
