/** Several async iterables as one, in the order in which their values arrive; sources may join later. */
export interface Merge<T> extends AsyncIterable<T> {
  /** Adds a source. At most one of its values waits at a time, so that each keeps its own pace. */
  add(source: AsyncIterable<T>): void;
  /** Adds one that does not keep the merge from ending. */
  addBackground(source: AsyncIterable<T>): void;
}

export type MergeOptions<T> = {
  signal: AbortSignal;
  /** After `ms` milliseconds without a value `value` gives one; and again after as long. */
  silence?: { ms: number; value: () => T };
};

/**
 * Merges sources until all have ended or one throws; when `signal` aborts it gives what has arrived and then
 * throws the signal's reason, also while every source is silent. On the way out every source is returned, and
 * none is waited for.
 */
export function createMerge<T>({ signal, silence }: MergeOptions<T>): Merge<T> {
  type Source = AsyncIterator<T>;
  type Arrival = { source: Source; result: IteratorResult<T> } | { error: unknown } | "silence";
  const sources = new Set<Source>();
  const backgrounds = new Set<Source>();
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
      const arrival = arrivals.shift();
      if (arrival) return arrival;
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };

  async function* merged(): AsyncGenerator<T> {
    const onAbort = () => wake();
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = silence && setTimeout(() => arrive("silence"), silence.ms);
    try {
      while (sources.size > 0) {
        const arrival = await nextArrival();
        timer?.refresh();
        if (arrival === "silence") {
          if (silence) yield silence.value();
          continue;
        }
        if ("error" in arrival) throw arrival.error;
        if (arrival.result.done) {
          sources.delete(arrival.source);
          backgrounds.delete(arrival.source);
          continue;
        }
        yield arrival.result.value;
        pull(arrival.source);
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      for (const source of [...sources, ...backgrounds]) source.return?.().catch(() => undefined);
    }
  }
  const iterator = merged();
  const addTo = (set: Set<Source>, iterable: AsyncIterable<T>) => {
    const source = iterable[Symbol.asyncIterator]();
    set.add(source);
    pull(source);
  };
  return {
    add: (source) => addTo(sources, source),
    addBackground: (source) => addTo(backgrounds, source),
    [Symbol.asyncIterator]: () => iterator,
  };
}
