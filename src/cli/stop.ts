import type { Turn } from "../client/turn.ts";
import { explain } from "./explain.ts";

/** How long the end of a cancelled turn is waited for. */
const cancelTimeoutMs = 5_000;

/** What ends a turn from this side: Ctrl-C, or an output that nobody reads any more. */
export type Stop = {
  /** Ctrl-C: the first cancels the turn, the second stops waiting for that. */
  interrupt(): void;
  /** Cancels the turn, and leaves it without waiting for its end. */
  leave(): void;
  state(): "none" | "asked" | "left";
  /** Why the cancel could not be confirmed; undefined where it was, or was not asked for. */
  failure(): string | undefined;
  /** Resolves when nothing is waited for any more. */
  settled(): Promise<void>;
};

/** Stops one turn of the server at `url`; `abandon` ends the wait for its events. */
export function createStop(turn: Pick<Turn, "cancel">, url: string, abandon: () => void): Stop {
  let state: "none" | "asked" | "left" = "none";
  let failure: string | undefined;
  let answered: Promise<void> | undefined;
  let giveUp: NodeJS.Timeout | undefined;

  function fail(why: string): void {
    failure ??= why;
    abandon();
  }

  function cancel(): void {
    answered = turn.cancel().then(
      () => undefined,
      (error: unknown) => fail(`the turn could not be cancelled: ${explain(error, url)}`),
    );
  }

  return {
    interrupt() {
      if (state === "none") {
        state = "asked";
        cancel();
        const why = "the server did not confirm that the turn is cancelled";
        giveUp = setTimeout(() => fail(why), cancelTimeoutMs);
        return;
      }
      state = "left";
      // Its request has left long ago; who asks twice does not want to hear the answer.
      answered = undefined;
      abandon();
    },
    leave() {
      if (state === "none") cancel();
      state = "left";
      abandon();
    },
    state: () => state,
    failure: () => failure,
    async settled() {
      clearTimeout(giveUp);
      await answered;
    },
  };
}
