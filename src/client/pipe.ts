import type { BufferBounds } from "./options.ts";

/** Items on their way from a stream to its consumer, a bounded number of them. */
export type Pipe<T> = {
  /**
   * Adds an item of `characters` of text; resolves when there is room for the next, which is when the stream
   * may be read on. Resolves at once when the consumer has left.
   */
  push(item: T, characters: number): Promise<void>;
  /** No more items. With an error, the consumer gets it after the items that are left. */
  end(error?: unknown): void;
  /** Forgets what is buffered, so that there is room. */
  discard(): void;
  /** No more items, and those that are left are forgotten. */
  drop(): void;
  /** Always the same iterator: the items have one consumer. */
  readonly items: AsyncIterableIterator<T>;
};

export type PipeOptions<T> = {
  bounds: BufferBounds;
  /** The consumer takes this item now. */
  onTake?: (item: T) => void;
  /** The consumer asks for its first item. */
  onStart?: () => void;
  /** The consumer left by `break`, `return` or `throw`; awaited, so that nothing is left when it goes on. */
  onLeave: () => Promise<void>;
};

/**
 * Not an async generator, whose `return` waits behind a pending `next`: `break` and `return` take effect at
 * once, whatever is awaited.
 */
export function createPipe<T>({ bounds, onTake, onStart, onLeave }: PipeOptions<T>): Pipe<T> {
  let queue: { item: T; characters: number }[] = [];
  let characters = 0;
  let ended: { error?: unknown } | undefined;
  let started = false;
  let room: PromiseWithResolvers<void> | undefined;
  const waiting: PromiseWithResolvers<IteratorResult<T>>[] = [];

  const isFull = () => queue.length >= bounds.itemsMax || characters >= bounds.charactersMax;

  function take(): IteratorResult<T> | undefined {
    const head = queue.shift();
    if (head === undefined) return undefined;
    characters -= head.characters;
    if (!isFull()) room?.resolve();
    onTake?.(head.item);
    return { done: false, value: head.item };
  }

  /** What waits when the last item is taken ends; the first of them gets the error. */
  function settleWaiting(): void {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const taken = take();
      if (taken === undefined && ended === undefined) return;
      waiting.shift();
      if (taken !== undefined) next.resolve(taken);
      else finish(next);
    }
  }

  function finish(next: PromiseWithResolvers<IteratorResult<T>>): void {
    if (ended !== undefined && "error" in ended) {
      const { error } = ended;
      ended = {};
      next.reject(error);
    } else {
      next.resolve({ done: true, value: undefined });
    }
  }

  function discard(): void {
    queue = [];
    characters = 0;
    room?.resolve();
  }

  function drop(): void {
    ended = {};
    discard();
    settleWaiting();
  }

  async function leave(): Promise<void> {
    started = true;
    drop();
    await onLeave();
  }

  const items: AsyncIterableIterator<T> = {
    [Symbol.asyncIterator]: () => items,
    next() {
      if (!started) {
        started = true;
        onStart?.();
      }
      const next = Promise.withResolvers<IteratorResult<T>>();
      waiting.push(next);
      settleWaiting();
      return next.promise;
    },
    async return() {
      await leave();
      return { done: true, value: undefined };
    },
    async throw(error) {
      await leave();
      throw error;
    },
  };

  return {
    async push(item, itemCharacters) {
      if (ended !== undefined) return;
      queue.push({ item, characters: itemCharacters });
      characters += itemCharacters;
      settleWaiting();
      while (isFull() && ended === undefined) {
        room = Promise.withResolvers();
        await room.promise;
      }
    },
    end(error) {
      if (ended !== undefined) return;
      ended = error === undefined ? {} : { error };
      settleWaiting();
    },
    discard,
    drop,
    items,
  };
}
