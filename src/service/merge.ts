/** Several async iterables as one, in the order in which their values arrive; sources may join later. */
export interface Merge<T> extends AsyncIterable<T> {
  /** Adds a source. At most one of its values waits at a time, so that each keeps its own pace. */
  add(source: AsyncIterable<T>): void;
}

export type MergeOptions<T> = {
  signal: AbortSignal;
  /** After this long without a value, milliseconds, `onSilence` gives one; and again after as long. */
  silenceMs: number;
  onSilence: () => T;
};

/**
 * Merges sources until all have ended or one throws; when `signal` aborts it throws the signal's reason,
 * also while every source is silent. On the way out every source is returned, and none is waited for.
 */
export function createMerge<T>({ signal, silenceMs, onSilence }: MergeOptions<T>): Merge<T> {
  type Source = AsyncIterator<T>;
  type Arrival = { source: Source; result: IteratorResult<T> } | { error: unknown } | "silence";
  const sources = new Set<Source>();
  const arrivals: Arrival[] = [];
  let wake: () => void = () => undefined;

  const arrive = (arrival: Arrival) => {
    arrivals.push(arrival);
    wake();
  };
  const pull = (source: Source) => {
    source.next().then(
      (result) => arrive({ source, result }),
      (error: unknown) => arrive({ error }),
    );
  };
  const nextArrival = async (): Promise<Arrival> => {
    for (;;) {
      signal.throwIfAborted();
      const arrival = arrivals.shift();
      if (arrival) return arrival;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };

  async function* merged(): AsyncGenerator<T> {
    const onAbort = () => wake();
    signal.addEventListener("abort", onAbort, { once: true });
    const silence = setTimeout(() => arrive("silence"), silenceMs);
    try {
      while (sources.size > 0) {
        const arrival = await nextArrival();
        silence.refresh();
        if (arrival === "silence") {
          yield onSilence();
          continue;
        }
        if ("error" in arrival) throw arrival.error;
        if (arrival.result.done) {
          sources.delete(arrival.source);
          continue;
        }
        yield arrival.result.value;
        pull(arrival.source);
      }
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", onAbort);
      for (const source of sources) source.return?.().catch(() => undefined);
    }
  }
  const iterator = merged();
  return {
    add(iterable) {
      const source = iterable[Symbol.asyncIterator]();
      sources.add(source);
      pull(source);
    },
    [Symbol.asyncIterator]: () => iterator,
  };
}
