import { Code, ConnectError } from "@connectrpc/connect";
import { type CancelTurnResponse, ChatService, FinishReason } from "../gen/chat/chat_pb.ts";
import { wait } from "./clock.ts";
import type { ClientContext } from "./context.ts";
import { TurnError } from "./turn-error.ts";
import type { TurnResult } from "./turn-result.ts";
import type { TurnStream } from "./turn-stream.ts";
import { callUnary } from "./unary.ts";

type Cancelled = Pick<CancelTurnResponse, "cancelled" | "turnId">;

/** The cancel of a turn that is being sent, possibly again and again. */
export type TurnCancel = {
  /** See Turn.cancel. */
  cancel(): Promise<Cancelled>;
  /** Throws a TurnError where a cancelled turn must not be sent again, as that might begin it. */
  beforeAttempt(): Promise<void>;
  /** Something was learnt of the turn. */
  news(): void;
  /** The sending is over: with the turn's end, or with what is known where that was not heard. */
  ended(end: TurnResult | TurnError): void;
};

/**
 * How often the server is asked again about a turn that was left before its id was learnt, each wait twice as long
 * as the one before: its request may be on the way, and nothing more will be heard of it.
 */
const askedAgainMax = 3;

export function createTurnCancel(
  context: ClientContext,
  stream: TurnStream,
  { requestId, signal }: { requestId: string; signal: AbortSignal },
): TurnCancel {
  let asked = false;
  let attempts = 0;
  let end: TurnResult | TurnError | undefined;
  /** What the server has said: once it has ended CANCELLED, it stays so. */
  let stoppedTurn: Cancelled | undefined;
  let next = Promise.withResolvers<void>();
  /** Aborts when the turn is known never to have begun: then nobody need be asked about it. */
  const pointless = new AbortController();

  function tell(): void {
    next.resolve();
    next = Promise.withResolvers();
  }

  /** By request_id where the turn's id was never learnt; the session need not be known for that. */
  function call(): Promise<Cancelled> {
    const turnId = stream.turnId();
    const name = turnId === "" ? { requestId } : { turnId };
    const request = { sessionId: stream.sessionId(), ...name };
    const { signal } = pointless;
    return callUnary(context, ChatService.method.cancelTurn, request, { signal });
  }

  async function callUnlessPointless(): Promise<Cancelled | undefined> {
    try {
      return await call();
    } catch (error) {
      if (pointless.signal.aborted) return undefined;
      throw error;
    }
  }

  async function cancel(): Promise<Cancelled> {
    asked = true;
    // Whoever waits for the next attempt is to know at once.
    if (stream.turnId() === "") for (const wake of context.wakers) wake();
    for (let askedAgain = 0; ; ) {
      const settled = stoppedTurn ?? settledBy(end);
      if (settled) return settled;
      const known = stream.turnId() !== "";
      const news = next.promise;
      const answer = await callUnlessPointless();
      if (answer === undefined) continue;
      if (answer.cancelled) stoppedTurn = answer;
      // A turn that the server does not know may be on its way to it.
      if (known || answer.turnId !== "" || answer.cancelled) return answer;
      if (end === undefined) await news;
      else if (askedAgain === askedAgainMax) return answer;
      else await waitToAskAgain(askedAgain++);
    }
  }

  function waitToAskAgain(before: number): Promise<void> {
    const { clock, closed, retry } = context;
    return wait(retry.delayMs * 2 ** before, { clock, wakers: new Set(), signal: closed });
  }

  async function beforeAttempt(): Promise<void> {
    attempts += 1;
    if (!asked || attempts === 1 || stream.turnId() !== "") return;
    if (!stream.isDoubtful()) throw stopped();
    const { turnId } = await call();
    if (turnId === "") throw stopped();
  }

  function stopped(): TurnError {
    const error = new ConnectError("cancelled before it was known to have begun", Code.Canceled);
    return new TurnError("refused", error, {
      requestId,
      sessionId: stream.sessionId(),
      turnId: "",
    });
  }

  return {
    cancel,
    async beforeAttempt() {
      if (signal.aborted) return;
      await beforeAttempt();
    },
    news: tell,
    ended(how) {
      end = how;
      if (how instanceof TurnError && how.outcome === "refused") pointless.abort();
      tell();
    },
  };
}

/** What the end says of a cancel; undefined where the turn may run: to leave it is not to stop it. */
function settledBy(end: TurnResult | TurnError | undefined): Cancelled | undefined {
  if (end === undefined) return undefined;
  const { turnId } = end;
  if (!(end instanceof TurnError)) {
    return { cancelled: end.finishReason === FinishReason.CANCELLED, turnId };
  }
  return end.outcome === "refused" ? { cancelled: false, turnId } : undefined;
}
