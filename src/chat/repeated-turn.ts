import type { Call } from "./call.ts";
import type { Caller } from "./caller.ts";
import type { StartedTurn } from "./engine.ts";
import {
  cursorAhead,
  type EngineContext,
  epochOf,
  openLane,
  refuseOtherEpoch,
  requireSession,
} from "./engine-context.ts";
import { ChatError } from "./errors.ts";
import type { Principal } from "./session.ts";
import type { RequestKey } from "./store.ts";
import { endUnlessStuck } from "./stuck-turn.ts";
import type { TurnRequest } from "./turn-request.ts";

/** A request on its way to a turn. */
export type Start = {
  context: EngineContext;
  caller: Caller;
  principal: Principal;
  request: TurnRequest;
  call: Call;
  /** Undefined where the request has no request_id. */
  key: RequestKey | undefined;
  onTurn: (turn: StartedTurn) => void;
};

/**
 * Runs what starts a turn for a key while nothing else does for the same key. Else a twin that comes a moment
 * later would find no turn yet and be refused by a limit that the first has used up.
 */
export async function onePerKey<T>(
  { context: { startingKeys }, principal, key }: Start,
  action: () => Promise<T>,
): Promise<T> {
  if (!key) return action();
  const name = `${principal}\n${key.requestId}`;
  for (let twin = startingKeys.get(name); twin; twin = startingKeys.get(name)) await twin;
  const { promise, resolve } = Promise.withResolvers<void>();
  startingKeys.set(name, promise);
  try {
    return await action();
  } finally {
    startingKeys.delete(name);
    resolve();
  }
}

/** The turn that the request's key was used for, joined; undefined where the key is new. */
export async function findRepeated(start: Start): Promise<StartedTurn | undefined> {
  const { context, principal, key } = start;
  const before = key && (await context.store.findRequest(principal, key));
  return before && joinRepeated(start, before);
}

export async function joinRepeated(
  start: Start,
  before: { turnId: string; sessionId: string },
): Promise<StartedTurn> {
  const joined = await join(start, before);
  start.onTurn(joined);
  return joined;
}

async function join(
  { context, principal, request, call }: Start,
  { sessionId, turnId }: { turnId: string; sessionId: string },
): Promise<StartedTurn> {
  if (request.sessionId !== "" && request.sessionId !== sessionId) {
    const text = `request_id "${request.requestId}" was used in another session`;
    throw new ChatError("already_exists", "REQUEST_ID_REUSED", text);
  }
  const session = await requireSession(context, principal, sessionId);
  await epochOf(context, session);
  const lastSequence = await context.log.lastSequence(sessionId);
  const lane = await openLane(context, session);
  refuseOtherEpoch(lane, request.afterEpoch);
  if (request.afterSequence > lastSequence) throw cursorAhead(lane.epoch, lastSequence);
  const { epoch } = lane;
  const live = lane.find(turnId);
  live?.readership.join(call, request.onDisconnect === undefined);
  // An end that is recorded is stored in a moment; what it was is known then.
  if (live && !live.hasEnd()) {
    const afterSequence = Math.max(request.afterSequence, live.startsAfter);
    return { sessionId, turnId, model: live.turn.model, afterSequence, epoch };
  }
  if (live) await endUnlessStuck(live);
  const stored = await context.store.getTurn(principal, sessionId, turnId);
  const end = stored?.end;
  const startsAfter = (end?.layout[0]?.sequence ?? 1) - 1;
  const afterSequence = Math.max(request.afterSequence, startsAfter);
  const told = end && end.sequence <= afterSequence ? { toldEnd: end } : {};
  return { sessionId, turnId, model: stored?.turn.model ?? "", afterSequence, epoch, ...told };
}
