import { type Connection, callTimeoutMs } from "./client.ts";
import { explain } from "./explain.ts";

/** How long the end of a cancelled turn is waited for. */
const cancelTimeoutMs = 5_000;

/** What Ctrl-C does to a running turn. */
export type Cancel = {
  /** The first asks the server to cancel the turn, the second stops waiting for it. */
  interrupt(): void;
  /** Asks the server to cancel the turn where it knows which, and ends the call without waiting. */
  leave(): void;
  /** Tells which turn runs; a cancel that came before is sent now. */
  turnIs(sessionId: string, turnId: string): void;
  state(): "none" | "asked" | "left";
  /** Why the cancel could not be confirmed; undefined where it was, or was not asked for. */
  failure(): string | undefined;
  /** Resolves when no call of it is open any more. */
  settled(): Promise<void>;
};

/** Cancels one turn by CancelTurn, over the connection that its stream uses; `call` ends that stream. */
export function createCancel({ client, url }: Connection, call: AbortController): Cancel {
  let state: "none" | "asked" | "left" = "none";
  let failure: string | undefined;
  let turn: { sessionId: string; turnId: string } | undefined;
  let sent: Promise<void> | undefined;
  let giveUp: NodeJS.Timeout | undefined;

  function send(): void {
    if (turn === undefined || sent !== undefined) return;
    sent = client.cancelTurn(turn, { timeoutMs: Math.min(cancelTimeoutMs, callTimeoutMs) }).then(
      () => {},
      (error: unknown) => {
        failure ??= `the turn could not be cancelled: ${explain(error, url)}`;
        call.abort();
      },
    );
  }

  function leave(): void {
    state = "left";
    send();
    call.abort();
  }

  function ask(): void {
    state = "asked";
    send();
    giveUp = setTimeout(() => {
      failure ??= "the server did not confirm that the turn is cancelled";
      call.abort();
    }, cancelTimeoutMs);
  }

  return {
    interrupt: () => (state === "none" ? ask() : leave()),
    leave,
    turnIs(sessionId, turnId) {
      if (sessionId === "" || turnId === "") return;
      turn ??= { sessionId, turnId };
      if (state !== "none") send();
    },
    state: () => state,
    failure: () => failure,
    async settled() {
      clearTimeout(giveUp);
      await sent;
    },
  };
}
