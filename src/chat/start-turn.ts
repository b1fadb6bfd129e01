import { type Admitted, admitTurn } from "./admit-turn.ts";
import type { Call } from "./call.ts";
import { type Caller, requireOwnRequestId } from "./caller.ts";
import type { StartedTurn } from "./engine.ts";
import {
  addLane,
  cursorAhead,
  type EngineContext,
  openLane,
  refuseOtherEpoch,
  requireSession,
  serverDraining,
  tellList,
} from "./engine-context.ts";
import { ChatError, invalidArgument, sessionNotFound } from "./errors.ts";
import type { Lane } from "./lane.ts";
import type { LiveTurn } from "./live-turn.ts";
import type { Model } from "./model.ts";
import { nothingToContinue, notTheLast, planTurn, refuseMissing } from "./plan-turn.ts";
import { findRepeated, joinRepeated, onePerKey, type Start } from "./repeated-turn.ts";
import {
  announceQueued,
  enqueue,
  releaseRun,
  reserveRun,
  retryLater,
  run,
  withdraw,
} from "./run-turns.ts";
import type { Principal, Session } from "./session.ts";
import type { AcquiredTurn, NewTurn, RequestKey } from "./store.ts";
import { endUnlessStuck, refuseWhileStuck } from "./stuck-turn.ts";
import type { Turn } from "./turn.ts";
import { fingerprintOf, type TurnRequest } from "./turn-request.ts";

/**
 * Starts or queues the turn that a request asks for, or finds the one that its request_id was used for; it
 * is durable then. See Engine.startTurn for what it throws.
 */
export async function startTurn(
  context: EngineContext,
  caller: Caller,
  request: TurnRequest,
  call: Call,
  onTurn: (turn: StartedTurn) => void = () => undefined,
): Promise<StartedTurn> {
  requireOwnRequestId(caller, request.requestId);
  const { principal } = caller;
  const start: Start = { context, caller, principal, request, call, key: keyOf(request), onTurn };
  context.runs.starting += 1;
  try {
    // Before any limit: a re-send is no new work (rule 7).
    return await onePerKey(start, async () => (await findRepeated(start)) ?? startNew(start));
  } finally {
    context.runs.starting -= 1;
    context.onRunEnded();
  }
}

async function startNew(start: Start): Promise<StartedTurn> {
  const { context, principal, request } = start;
  if (context.drain.isDraining) throw serverDraining();
  if (request.onBusy === "enqueue" && request.type !== "message") {
    const description = "ENQUEUE is for messages; what changes the history interrupts what runs";
    throw invalidArgument([{ field: "on_busy", description }]);
  }
  if (request.sessionId === "") return openSession(start);
  const session = await requireSession(context, principal, request.sessionId);
  const lane = await openLane(context, session);
  return lane.serially(() => startInSession(start, lane, session));
}

/** A message that opens its session: the two are created in one step. */
async function openSession(start: Start): Promise<StartedTurn> {
  const { context, principal, request } = start;
  if (request.type !== "message") {
    throw invalidArgument([{ field: "session_id", description: "must not be empty" }]);
  }
  const session = newSessionOf(context, principal, request);
  const model = context.models.resolve(session.model);
  const lane = addLane(context, { ...session, epoch: 1 });
  refuseOtherEpoch(lane, request.afterEpoch);
  return lane.serially(() =>
    admit(start, async () => {
      const turn = await planTurn(context, session, model, request);
      return createInLane(start, lane, turn, session);
    }),
  );
}

/** To be called within the lane's `serially`. */
async function startInSession(start: Start, lane: Lane, session: Session): Promise<StartedTurn> {
  const { context, request } = start;
  const isPlain = lane.isIdle() && request.type === "message";
  // Its twin may have come first, and must not be interrupted, or refused, for it.
  const twin = isPlain ? undefined : await findRepeated(start);
  if (twin) return twin;
  if (lane.deleted) throw sessionNotFound(lane.sessionId);
  refuseOtherEpoch(lane, request.afterEpoch);
  refuseWhileStuck(lane);
  if (context.drain.isDraining) throw serverDraining();
  const model = context.models.resolve(request.modelId || session.model);
  return admit(start, async () => {
    if (!lane.isIdle()) await makeWay(start, lane, session, model);
    const turn = await planTurn(context, session, model, request);
    return createInLane(start, lane, turn);
  });
}

function admit(start: Start, make: () => Promise<Admitted>): Promise<StartedTurn> {
  const { context, caller } = start;
  return admitTurn(context, { caller, make, findRepeated: () => findRepeated(start) });
}

/** Decides what a request does in a busy session: refuse it, or clear what stands in its way (rules 8, 15). */
async function makeWay(start: Start, lane: Lane, session: Session, model: Model): Promise<void> {
  const { context, request } = start;
  if (request.onBusy === "reject") throw sessionBusy(lane.sessionId);
  if (request.type === "message") return;
  await refuseInVain(start, lane, session, model);
  for (const waiting of lane.queued.slice()) await withdraw(context, lane, waiting);
  const { running } = lane;
  running?.stop({ finishReason: "cancelled" });
  if (running) await endUnlessStuck(running);
}

/** Throws where the request would be refused once the way is clear: then nothing is to be interrupted for it. */
async function refuseInVain(start: Start, lane: Lane, session: Session, model: Model) {
  const { context, request } = start;
  const { running } = lane;
  const { type, messageId } = request;
  if (type === "edit" || !running) await planTurn(context, session, model, request);
  else if (messageId !== "" && !mayName(running, request)) {
    await refuseMissing(context.store, session, messageId);
    throw notTheLast();
  }
  if (type === "continue" && running?.chunks() === 0) throw nothingToContinue();
}

/** Whether what is named may be the last reply, or its question, once the turn is over: neither is stored yet. */
function mayName({ turn }: LiveTurn, { type, messageId }: TurnRequest): boolean {
  const { replyMessageId, userMessage, replaces } = turn;
  if (type === "regenerate" && messageId === userMessage.messageId) return true;
  // What a turn replaces stays where the turn ends before its reply begins.
  return messageId === replyMessageId || replaces.includes(messageId);
}

/** Makes the turn durable and live, and runs it where the lane is free. */
async function createInLane(
  start: Start,
  lane: Lane,
  turn: Turn,
  session?: Session,
): Promise<Admitted> {
  const { context, request, call, key } = start;
  const { sessionId, turnId, model } = turn;
  const atHead = request.onBusy === "interrupt";
  const startsAfter = session ? 0 : await context.log.lastSequence(sessionId);
  if (request.afterSequence > startsAfter) throw cursorAhead(lane.epoch, startsAfter);
  // What interrupts takes the place of the turn that runs, and is not refused for those that wait.
  const queuedTurnsMax = context.queuedTurnsMax + (atHead ? 1 : 0);
  const { sessionsMax } = start.caller.limits;
  const newTurn: NewTurn = {
    turn,
    atHead,
    queuedTurnsMax,
    ...(session && { session }),
    ...(session && sessionsMax !== undefined && { sessionsMax }),
    ...(key && { requestKey: key }),
  };
  const made = await createAndAcquire(start, lane, newTurn);
  if (made.repeated) return { started: await joinRepeated(start, made.repeated), isNew: false };
  if (session) {
    // Before anything is told of what happens in it.
    context.stats.of(session.principal).sessionCreated();
    tellList(context, session.principal, sessionId, "session_created");
  }

  const live = enqueue(context, lane, turn, { atHead, startsAfter });
  live.readership.join(call, request.onDisconnect === undefined);
  const started = { sessionId, turnId, model, afterSequence: startsAfter, epoch: lane.epoch };
  start.onTurn(started);
  if (made.acquired) run(context, lane, made.acquired);
  else if (!lane.running) retryLater(context, lane);
  if (lane.running !== live) await waitInQueue(context, lane, live, atHead);
  return { started, isNew: true };
}

async function waitInQueue(context: EngineContext, lane: Lane, live: LiveTurn, atHead: boolean) {
  try {
    await announceQueued(context, live, lane.queued.indexOf(live) + 1);
  } finally {
    if (atHead) lane.running?.stop({ finishReason: "cancelled" });
  }
}

type Made = { repeated?: { turnId: string; sessionId: string }; acquired?: AcquiredTurn };

/** Where the lane is free the turn is acquired in the same step; a run is reserved for it then. */
async function createAndAcquire(start: Start, lane: Lane, newTurn: NewTurn): Promise<Made> {
  const { context } = start;
  const { store, owner } = context;
  const isFree = lane.isIdle();
  if (isFree && !reserveRun(context)) throw tooManyTurns();
  // Posted together, so that both are in one transaction where the store can do that.
  const [created, acquired] = await Promise.allSettled([
    store.createTurn(newTurn),
    isFree ? store.acquireTurn(lane.sessionId, owner) : undefined,
  ]);
  // Where the store failed in between, the turn waits.
  const taken = acquired.status === "fulfilled" ? acquired.value : undefined;
  const isAcquired = typeof taken === "object";
  if (isFree && !isAcquired) releaseRun(context);
  const isNew = created.status === "fulfilled" && created.value.outcome === "created";
  // Another turn that the lane did not know of: it is running for the store now.
  if (isAcquired && !isNew) run(context, lane, taken);
  if (created.status === "rejected") throw created.reason;
  if (created.value.outcome === "repeated") return { repeated: created.value };
  return isAcquired ? { acquired: taken } : {};
}

function keyOf(request: TurnRequest): RequestKey | undefined {
  const { requestId } = request;
  return requestId === "" ? undefined : { requestId, fingerprint: fingerprintOf(request) };
}

function newSessionOf(
  { models, clock, newId }: EngineContext,
  principal: Principal,
  { modelId, systemInstruction, generation }: TurnRequest,
): Session {
  const now = clock.now();
  return {
    sessionId: newId(),
    principal,
    model: models.resolve(modelId).info.modelId,
    title: "",
    systemInstruction,
    generation,
    metadata: {},
    createdAt: now,
    updatedAt: now,
  };
}

function tooManyTurns(): ChatError {
  const text = "the server runs all the turns it can";
  const quotas = [
    { subject: "RUNNING_TURNS_MAX", description: "turns that the server runs at once" },
  ];
  return new ChatError("resource_exhausted", "TOO_MANY_TURNS", text, {
    retryable: true,
    retryAfterMs: 1_000,
    quotas,
  });
}

function sessionBusy(sessionId: string): ChatError {
  return new ChatError(
    "failed_precondition",
    "SESSION_BUSY",
    "a turn already runs in this session; wait for its end, or cancel it",
    { metadata: { session_id: sessionId } },
  );
}
