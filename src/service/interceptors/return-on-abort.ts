import type { Interceptor } from "@connectrpc/connect";

/**
 * Ends a handler's generator when its call is over. Over HTTP/2 a call that is cancelled while a write is
 * blocked on flow control never resumes its generator, so that its `finally` would never run (nodejs/node
 * #58252; connect-node waits for a write callback that Node does not call).
 *
 * A stream that is ended so throws the signal's reason: a client that is still there, at a shutdown, must not
 * take the rest for an end.
 */
export const returnOnAbort: Interceptor = (next) => async (request) => {
  const response = await next(request);
  if (!response.stream) return response;
  const message = endOnAbort(response.message, request.signal);
  return { ...response, message } as typeof response;
};

function endOnAbort<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  const iterator = messages[Symbol.asyncIterator]();
  const onAbort = () => {
    iterator.return?.().catch(() => undefined);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  const ended: AsyncIterator<T> = {
    async next() {
      const result = await iterator.next();
      if (result.done) signal.throwIfAborted();
      return result;
    },
    return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
  };
  return { [Symbol.asyncIterator]: () => ended };
}
