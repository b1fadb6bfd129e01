/** A value that React and others can follow; `subscribe` and `get` are what useSyncExternalStore takes. */
export type Observable<T> = {
  get(): T;
  /** Calls `listener` after each change; returns what ends that. */
  subscribe(listener: () => void): () => void;
};

/** An observable that its maker can set. */
export type Settable<T> = Observable<T> & { set(value: T): void };

/** Makes an observable; setting the value that it has tells nobody. */
export function createObservable<T>(initial: T): Settable<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set(next) {
      if (Object.is(value, next)) return;
      value = next;
      for (const listener of listeners) listener();
    },
  };
}
