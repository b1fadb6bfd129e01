import { performance } from "node:perf_hooks";

/** Where Ctrl-C comes from. */
export interface Interrupts {
  /** Calls `handler` for each Ctrl-C until the function that it returns is called. */
  listen(handler: () => void): () => void;
}

/** `npm run` passes SIGINT on to a child that the terminal has sent it to already: both are one Ctrl-C. */
const sameInterruptMs = 200;

/** Ctrl-C as a signal. While nobody listens it ends the process, as the system has it. */
export const signalInterrupts: Interrupts = {
  listen(handler) {
    let last = Number.NEGATIVE_INFINITY;
    const onSignal = () => {
      const now = performance.now();
      if (now - last >= sameInterruptMs) handler();
      last = now;
    };
    process.on("SIGINT", onSignal);
    return () => process.off("SIGINT", onSignal);
  },
};
