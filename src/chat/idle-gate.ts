/** Lets somebody wait until nothing is under way. */
export interface IdleGate {
  /** To be called where `isIdle` may have become true. */
  check(): void;
  /** Resolves when it is idle, and after `ms` milliseconds at the latest. */
  wait(ms: number): Promise<void>;
}

export function createIdleGate(isIdle: () => boolean): IdleGate {
  const waiting = new Set<() => void>();
  return {
    check() {
      if (isIdle()) for (const wake of waiting) wake();
    },
    async wait(ms) {
      if (isIdle()) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      waiting.add(resolve);
      await promise;
      waiting.delete(resolve);
      clearTimeout(timer);
    },
  };
}
