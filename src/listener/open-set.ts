/** What is open at the moment (sockets, sessions, requests), and a way to wait until nothing is. */
export type OpenSet<T> = {
  readonly size: number;
  add(item: T): void;
  /** Repeating it does nothing. */
  delete(item: T): void;
  /** The items at this moment; later changes do not touch the array. */
  list(): T[];
  /** Resolves true as soon as the set is empty, false after `timeoutMs`; never rejects. */
  emptyWithin(timeoutMs: number): Promise<boolean>;
};

export function createOpenSet<T>(): OpenSet<T> {
  const items = new Set<T>();
  const waiters = new Set<() => void>();
  return {
    get size() {
      return items.size;
    },
    add(item) {
      items.add(item);
    },
    delete(item) {
      if (!items.delete(item) || items.size > 0) return;
      for (const wake of waiters) wake();
    },
    list() {
      return [...items];
    },
    emptyWithin(timeoutMs) {
      if (items.size === 0) return Promise.resolve(true);
      return new Promise((resolve) => {
        const settle = (empty: boolean): void => {
          clearTimeout(timer);
          waiters.delete(onEmpty);
          resolve(empty);
        };
        const onEmpty = (): void => settle(true);
        const timer = setTimeout(() => settle(false), timeoutMs);
        waiters.add(onEmpty);
      });
    },
  };
}
