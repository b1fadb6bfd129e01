/** Tells everybody who listens at the moment. */
export interface Hub<T> {
  emit(value: T): void;
  /**
   * What is emitted from now on, until `signal` aborts. A listener that does not keep up loses nothing of the
   * first `bufferedMax` values and is then ended by an error from `onOverflow`.
   */
  listen(options: ListenOptions): AsyncIterable<T>;
  size(): number;
}

export type ListenOptions = {
  signal: AbortSignal;
  bufferedMax: number;
  onOverflow: () => Error;
};

type Listener<T> = (value: T) => void;

/** `onLeave` is called when a listener has gone. */
export function createHub<T>(onLeave: () => void = () => undefined): Hub<T> {
  const listeners = new Set<Listener<T>>();
  return {
    emit(value) {
      for (const listener of listeners) listener(value);
    },
    // Listening begins here, not with the first `next`: nothing in between is lost.
    listen(options) {
      const waiting: T[] = [];
      let overflowed = false;
      let wake: () => void = () => undefined;
      const listener = (value: T) => {
        if (waiting.length >= options.bufferedMax) overflowed = true;
        else waiting.push(value);
        wake();
      };
      const { signal } = options;
      const stop = () => {
        if (listeners.delete(listener)) onLeave();
        wake();
      };
      if (signal.aborted) {
        onLeave();
      } else {
        listeners.add(listener);
        signal.addEventListener("abort", stop, { once: true });
      }
      const nextNews = () =>
        new Promise<void>((resolve) => {
          wake = resolve;
        });
      async function* values(): AsyncGenerator<T> {
        try {
          while (!signal.aborted) {
            const value = waiting.shift();
            if (value !== undefined) yield value;
            else if (overflowed) throw options.onOverflow();
            else await nextNews();
          }
        } finally {
          stop();
          signal.removeEventListener("abort", stop);
        }
      }
      return values();
    },
    size: () => listeners.size,
  };
}
