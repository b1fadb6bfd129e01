import { timeoutMsMax } from "../config/parse.ts";

/** Heartbeats missed until a silent stream counts as lost (DESIGN section 2, rule 13). */
const heartbeatsMax = 2.5;
const heartbeatMsDefault = 15_000;

/** Ends a call on which nothing is heard any more, heartbeats included. */
export type SilenceTimer = {
  /** How often the server fills a silence, milliseconds; what is no positive number is ignored. */
  heartbeatEvery(ms: number): void;
  /** Something was heard, and the caller is busy with it: no time runs until `listen`. */
  pause(): void;
  /** The caller waits again: the time starts anew. */
  listen(): void;
  /** Why the call was ended; undefined where this did not end it. */
  failure(): string | undefined;
};

/** Starts at once: the first event of a turn comes before its model is called. */
export function createSilenceTimer(call: AbortController): SilenceTimer {
  let silenceMsMax = heartbeatMsDefault * heartbeatsMax;
  let failure: string | undefined;
  const expire = () => {
    failure = `nothing was heard from the server for ${silenceMsMax / 1_000} s; the connection is taken as lost`;
    call.abort();
  };
  let timer = setTimeout(expire, silenceMsMax);
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(expire, silenceMsMax);
  };
  return {
    heartbeatEvery(ms) {
      if (ms > 0) silenceMsMax = Math.min(ms * heartbeatsMax, timeoutMsMax);
      listen();
    },
    pause: () => clearTimeout(timer),
    listen,
    failure: () => failure,
  };
}
