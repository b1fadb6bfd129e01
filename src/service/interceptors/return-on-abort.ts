import type { Interceptor } from "@connectrpc/connect";

/**
 * Ends a handler's generator when its call is over. Over HTTP/2 a call that is cancelled while a write is
 * blocked on flow control never resumes its generator, so that its `finally` would never run (nodejs/node
 * #58252; connect-node waits for a write callback that Node does not call).
 */
export const returnOnAbort: Interceptor = (next) => async (request) => {
  const response = await next(request);
  if (!response.stream) return response;
  const iterator = response.message[Symbol.asyncIterator]();
  const onAbort = () => {
    iterator.return?.().catch(() => undefined);
  };
  if (request.signal.aborted) onAbort();
  else request.signal.addEventListener("abort", onAbort, { once: true });
  return { ...response, message: { [Symbol.asyncIterator]: () => iterator } } as typeof response;
};
