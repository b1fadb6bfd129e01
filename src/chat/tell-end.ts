export type EndListener = {
  /** Called where the source has ended by itself. */
  onDone?: () => void;
  /** Called with what the source throws; what it returns is thrown instead. */
  onError: (error: unknown) => unknown;
};

/**
 * The values of a source as they are, and its end told. No generator: every value of every stream passes here, and
 * each generator on its way costs it several promises.
 */
export function tellEnd<T>(
  source: AsyncIterable<T>,
  { onDone, onError }: EndListener,
): AsyncIterableIterator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const pass = (result: IteratorResult<T>) => {
    if (result.done) onDone?.();
    return result;
  };
  const fail = async (error: unknown) => {
    throw await onError(error);
  };
  return {
    next: () => iterator.next().then(pass, fail),
    return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
