import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { StartedTurn } from "../chat/engine.ts";

/** What becomes known of a call while it is served, for its line in the log and its span. */
export type CallFacts = {
  /** W3C Trace Context of the call, for the turns that it starts. */
  readonly traceParent: string | undefined;
  /** The session that it used last; empty where it used none. As clients sent it, so of any length. */
  sessionId: string;
  /** The turn that it started or joined last; empty where there was none. */
  turnId: string;
  turns: number;
};

/** Set by the gate of measure-calls.ts. */
export const callFactsKey = createContextKey<CallFacts | undefined>(undefined, {
  description: "what is known of the call",
});

/** The trace that a turn is to belong to, as a field of its request. */
export function traceOf({ values }: Pick<HandlerContext, "values">): { traceParent?: string } {
  const traceParent = values.get(callFactsKey)?.traceParent;
  return traceParent === undefined ? {} : { traceParent };
}

/** The call is about this session. */
export function noteSession({ values }: Pick<HandlerContext, "values">, sessionId: string): void {
  const facts = values.get(callFactsKey);
  if (facts !== undefined) facts.sessionId = sessionId;
}

/** The call has started or joined a turn. */
export function noteTurn(
  { values }: Pick<HandlerContext, "values">,
  { sessionId, turnId }: Pick<StartedTurn, "sessionId" | "turnId">,
): void {
  const facts = values.get(callFactsKey);
  if (facts === undefined) return;
  Object.assign(facts, { sessionId, turnId, turns: facts.turns + 1 });
}
