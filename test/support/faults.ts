import { storageUnavailable } from "../../src/chat/errors.ts";

/**
 * A port of which a test can make methods fail, or hold them back until it says so. Each applies to the calls
 * made from then on. A method that gives an iterable is left alone.
 */
export function createFaulty<Port extends object>(port: Port) {
  const failing = new Map<string, { error: unknown; times: number }>();
  const held = new Map<string, Promise<void>>();
  const calls: string[] = [];
  const faulty = new Proxy(port, {
    get(target, name) {
      const method = Reflect.get(target, name) as unknown;
      if (typeof method !== "function" || name === "read") return method;
      return async (...values: unknown[]) => {
        calls.push(String(name));
        await held.get(String(name));
        const failure = failing.get(String(name));
        if (failure && failure.times > 0) {
          failure.times -= 1;
          throw failure.error;
        }
        return Reflect.apply(method, target, values) as unknown;
      };
    },
  });
  return {
    port: faulty,
    /** The methods that were called, in order. */
    calls,
    fail(
      method: keyof Port & string,
      error: unknown = storageUnavailable(new Error("disk full")),
      times = Number.POSITIVE_INFINITY,
    ) {
      failing.set(method, { error, times });
    },
    mend: (method: keyof Port & string) => void failing.delete(method),
    /** Returns what releases the calls. */
    hold(method: keyof Port & string): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(method, promise);
      return () => {
        held.delete(method);
        resolve();
      };
    },
  };
}
