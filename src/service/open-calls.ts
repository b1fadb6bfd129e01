import type { CallObserver } from "./interceptors/measure-calls.ts";

/** Counts the calls that are open now, by RPC (`chat.ChatService/Chat`). */
export interface OpenCalls extends CallObserver {
  count(rpcs: readonly string[]): number;
  /** Resolves true once none of these is open, false after `timeoutMs`. */
  noneWithin(rpcs: readonly string[], timeoutMs: number): Promise<boolean>;
}

export function createOpenCalls(): OpenCalls {
  const open = new Map<string, number>();
  const waiting = new Set<() => void>();
  const change = (rpc: string, by: 1 | -1) => {
    open.set(rpc, (open.get(rpc) ?? 0) + by);
    for (const check of waiting) check();
  };
  const count = (rpcs: readonly string[]) =>
    rpcs.reduce((sum, rpc) => sum + (open.get(rpc) ?? 0), 0);
  return {
    began({ rpc, traceParent }) {
      change(rpc, 1);
      return { traceParent, ended: () => change(rpc, -1) };
    },
    count,
    async noneWithin(rpcs, timeoutMs) {
      if (count(rpcs) === 0) return true;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const check = () => count(rpcs) === 0 && resolve(true);
      const timer = setTimeout(resolve, timeoutMs, false);
      waiting.add(check);
      const none = await promise;
      waiting.delete(check);
      clearTimeout(timer);
      return none;
    },
  };
}
