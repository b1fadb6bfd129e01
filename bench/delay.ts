import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** Streams to open at once, and what each is expected to bring. */
export type DelayTask = {
  port: number;
  /** A framed ChatRequest for StreamChat. */
  requestBase64: string;
  streams: number;
  connections: number;
  chunks: number;
  intervalMs: number;
};

export type DelayResult = {
  /** How much longer the streams took than chunks × interval, mean over the streams. */
  delayPercent: number;
  /** How late chunks arrived, counted from when the client opened the stream. */
  latenessMsP50: number;
  latenessMsP99: number;
};

export interface DelayClient {
  /** Rejects when any of the streams does not end with OK and all of its messages. */
  measure(task: DelayTask): Promise<DelayResult>;
  stop(): void;
}

/** Starts the client process, which measures one task at a time. */
export function startDelayClient(signal: AbortSignal): DelayClient {
  const child = fork(fileURLToPath(new URL("./delay-client.ts", import.meta.url)), { signal });
  child.on("error", () => undefined);
  return {
    async measure(task) {
      child.send(task);
      const [answer] = (await once(child, "message", { signal })) as [
        { result: DelayResult } | { error: string },
      ];
      if ("error" in answer) throw new Error(answer.error);
      return answer.result;
    },
    stop: () => child.disconnect(),
  };
}
