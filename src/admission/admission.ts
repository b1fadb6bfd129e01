import type { Admission } from "../chat/admission.ts";
import { ChatError } from "../chat/errors.ts";
import type { Load } from "./load.ts";
import type { TurnRate } from "./turn-rate.ts";

/** Admits turns by the server's load and by each caller's rate. */
export function createAdmission(options: { load: () => Load; rate: TurnRate }): Admission {
  const { load, rate } = options;
  return {
    async admitTurn(caller) {
      if (load() !== "any") throw serverBusy("new turns");
      await rate.take(caller);
    },
    giveBack: (caller) => rate.giveBack(caller),
  };
}

/** Refuses what is new while what runs goes on (DESIGN section 5). */
export function serverBusy(what: string): ChatError {
  return new ChatError(
    "unavailable",
    "SERVER_BUSY",
    `the server is busy and takes no ${what} at the moment; what runs goes on`,
    { retryable: true, retryAfterMs: 1_000 + Math.floor(Math.random() * 2_000) },
  );
}
