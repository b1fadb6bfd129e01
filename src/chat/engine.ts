import type { Call } from "./call.ts";
import type { Caller } from "./caller.ts";
import {
  createEngineContext,
  type EngineContext,
  type EngineOptions,
  epochOf,
  openLane,
  requireSession,
  serverStopped,
} from "./engine-context.ts";
import { type Expiry, startExpiry } from "./expire-sessions.ts";
import { createIdleGate } from "./idle-gate.ts";
import { listMessages, type MessagePage, type MessagesRequest } from "./list-messages.ts";
import type { Stop } from "./live-turn.ts";
import { recoverTurns } from "./recovery.ts";
import { cancelLive } from "./run-turns.ts";
import type { Principal, Session, SessionDetails } from "./session.ts";
import { createSessionReader, type SessionReader } from "./session-reader.ts";
import {
  createSession,
  deleteSession,
  type ForkRequest,
  forkSession,
  type NewSession,
  type SessionUpdate,
  updateSession,
} from "./sessions.ts";
import { startTurn } from "./start-turn.ts";
import type { Stats } from "./stats.ts";
import type { Page, PageRequest } from "./store.ts";
import type { TurnEnd } from "./turn.ts";
import type { TurnRequest } from "./turn-request.ts";
import { turnError } from "./turn-run.ts";
import { type Watched, type WatchRequest, watchSession } from "./watch-session.ts";

/** A turn that a call has started or joined. */
export type StartedTurn = {
  sessionId: string;
  turnId: string;
  /** The id of the model asked. */
  model: string;
  /** What a reader of it is to begin after: its first event comes later, or what the caller has seen. */
  afterSequence: number;
  epoch: number;
  /** Set where the caller has seen the turn's end already: there is nothing left to read. */
  toldEnd?: TurnEnd;
};

/**
 * Which turn to cancel: by its id, by the request that asked for it, or whichever runs. With a requestId the
 * session may be left out.
 */
export type CancelRequest = { sessionId: string; turnId: string; requestId: string };

/**
 * Sessions and turns: everything that chatwire does, without a wire. A principal sees its own sessions
 * alone; another's is `not_found`. Errors are ChatErrors; what a port throws is passed on.
 */
export interface Engine {
  /**
   * Ends what a crash left behind, lets the log's retention begin, and what waits run. To be called once, before
   * anything else.
   */
  recover(): Promise<void>;

  /**
   * Throws `invalid_argument`/MODEL_UNKNOWN, `resource_exhausted`/TOO_MANY_SESSIONS, and what a request_id may
   * (`already_exists`, `not_found`).
   */
  createSession(caller: Caller, settings: NewSession): Promise<Session>;
  getSession(principal: Principal, sessionId: string): Promise<SessionDetails>;
  /** Throws `aborted`/ETAG_MISMATCH where the etag is given and is not the session's. */
  updateSession(
    principal: Principal,
    sessionId: string,
    changes: SessionUpdate,
    etag: string,
  ): Promise<SessionDetails>;
  forkSession(caller: Caller, fork: ForkRequest): Promise<SessionDetails>;
  /** Empty for shared callers. */
  listSessions(
    caller: Caller,
    page: PageRequest & { query: string },
  ): Promise<Page<SessionDetails>>;
  /** The sessions that `listSessions` has without a query. */
  countSessions(caller: Caller): Promise<number>;
  listMessages(
    principal: Principal,
    sessionId: string,
    request: MessagesRequest,
  ): Promise<MessagePage>;
  /**
   * Cancels what runs and waits in the session, ends its readers, then removes it with everything in it. Throws
   * `unavailable`/STORAGE_UNAVAILABLE where the storage takes no writes: the session stays.
   */
  deleteSession(principal: Principal, sessionId: string): Promise<void>;

  /**
   * Starts or queues a turn: durable before this resolves. `call` counts as its reader until it is over;
   * when the last such call is gone, rules 9 and 10 decide. A request_id that was used before joins that
   * turn, and nothing else happens. Throws `not_found` for the session (and the message of an edit),
   * `failed_precondition`/SESSION_BUSY, MESSAGE_REPLACED, MESSAGE_QUEUED, NOTHING_TO_REGENERATE,
   * NOTHING_TO_CONTINUE, `already_exists`/REQUEST_ID_REUSED, `invalid_argument`/MODEL_UNKNOWN, `resource_exhausted`/QUEUE_FULL,
   * TOO_MANY_TURNS, TOO_MANY_TURNS_PER_MINUTE, TOO_MANY_SESSIONS, TOKENS_USED_UP,
   * `unavailable`/SERVER_DRAINING, SERVER_BUSY, STORAGE_UNAVAILABLE while the session's turn waits for the storage,
   * `data_loss`/EPOCH_CHANGED; no turn exists then.
   *
   * `onTurn` is told of a new turn before its first event can be recorded, so that a reader that follows it from
   * then on has not gone past that. Where the turn's place in the queue cannot be recorded
   * (`unavailable`/STORAGE_UNAVAILABLE) it was told, and the turn waits all the same.
   */
  startTurn(
    caller: Caller,
    request: TurnRequest,
    call: Call,
    onTurn?: (turn: StartedTurn) => void,
  ): Promise<StartedTurn>;

  /** A reader of the session for one call; the turns to read are added to it. */
  readSession(principal: Principal, sessionId: string, call: AbortSignal): SessionReader;
  /** Adds a started turn to a reader. */
  follow(reader: SessionReader, turn: StartedTurn): void;
  /** Aborts when the server begins to drain. */
  readonly drainBegan: AbortSignal;
  /** The sequence of the session's last event. */
  lastSequence(sessionId: string): Promise<number>;

  /**
   * Everything that happens in a session after a sequence. Throws `not_found`, `out_of_range`,
   * `data_loss`/EPOCH_CHANGED, `resource_exhausted`/TOO_MANY_WATCHERS.
   */
  watchSession(caller: Caller, request: WatchRequest, call: Call): AsyncIterable<Watched>;

  /**
   * Cancels a turn that runs or waits and resolves once its end is recorded: `cancelled` only if that end is
   * CANCELLED. No such turn running is no error. Throws `unavailable`/STORAGE_UNAVAILABLE where the storage does not
   * take the end now; the turn ends when it does.
   */
  cancelTurn(
    principal: Principal,
    request: CancelRequest,
  ): Promise<{ cancelled: boolean; turnId: string }>;

  /** Tells the session's watchers that somebody types, or has stopped. */
  tellTyping(principal: Principal, sessionId: string, isTyping: boolean): Promise<void>;

  isDraining(): boolean;
  /** What the principal has done; without one, everybody. */
  stats(principal?: Principal): Stats;
  /** The turns that run now: the principal's, or everybody's. */
  runningTurns(principal?: Principal): number;
  /** Turns that wait for their run. */
  queuedTurns(): number;
  /** Sessions that somebody uses at the moment: a turn runs or waits in them, or somebody reads them. */
  liveSessions(): number;
  /** Counts a message that was refused before the engine saw it. */
  countRefused(principal: Principal, error: unknown): void;

  /** Refuses new turns from now on and tells every reader; what runs goes on, what waits stays. */
  drain(): void;
  /** Drains, gives running turns `graceMs`, ends the rest INTERRUPTED, and waits until all are recorded. */
  close(graceMs: number): Promise<void>;
}

/** At close, how long a storage that takes no writes is given before the turn is left to the next start. */
const storageGraceMs = 2_000;

export function createEngine(options: EngineOptions): Engine {
  const context = createEngineContext(options);
  const { store, log, lanes, runs, stats, givenUp } = context;
  const gate = createIdleGate(() => runs.count + runs.starting === 0);
  context.onRunEnded = gate.check;

  let expiry: Expiry | undefined;

  const drain = () => {
    if (context.drain.isDraining) return;
    context.drain.isDraining = true;
    void expiry?.stop();
    context.drain.began.abort("the server drains");
  };
  const liveTurn = ({ sessionId, turnId }: StartedTurn) => lanes.get(sessionId)?.find(turnId);

  return {
    async recover() {
      const { resume } = await recoverTurns(context);
      await log.startRetention();
      resume();
      expiry = startExpiry(context);
    },
    createSession: (caller, settings) => createSession(context, caller, settings),
    async getSession(principal, sessionId) {
      const session = await requireSession(context, principal, sessionId);
      const epoch = await epochOf(context, session);
      return { ...session, epoch, lastSequence: await log.lastSequence(sessionId) };
    },
    updateSession: (principal, sessionId, changes, etag) =>
      updateSession(context, principal, sessionId, changes, etag),
    forkSession: (caller, fork) => forkSession(context, caller, fork),
    async listSessions({ isShared, principal }, page) {
      return isShared ? { items: [], nextPageToken: "" } : store.listSessions(principal, page);
    },
    async countSessions({ isShared, principal }) {
      return isShared ? 0 : store.countSessions(principal);
    },
    listMessages: (principal, sessionId, request) =>
      listMessages(context, principal, sessionId, request),
    deleteSession: (principal, sessionId) => deleteSession(context, principal, sessionId),

    startTurn: (caller, request, call, onTurn) => startTurn(context, caller, request, call, onTurn),
    readSession: (principal, sessionId, call) =>
      createSessionReader(context, { principal, sessionId }, call),
    follow(reader, turn) {
      if (!turn.toldEnd) reader.add(turn.turnId, turn.afterSequence, liveTurn(turn));
    },
    drainBegan: context.drain.began.signal,
    lastSequence: (sessionId) => log.lastSequence(sessionId),
    watchSession: (caller, request, call) => watchSession(context, caller, request, call),
    cancelTurn: (principal, request) => cancelTurn(context, principal, request),

    async tellTyping(principal, sessionId, isTyping) {
      const lane = await openLane(context, await requireSession(context, principal, sessionId));
      lane.tell(isTyping ? "typing_started" : "typing_stopped", {});
    },

    isDraining: () => context.drain.isDraining,
    stats: stats.read,
    runningTurns(principal) {
      if (principal === undefined) return runs.count;
      const own = [...lanes.values()].filter((lane) => lane.principal === principal);
      return own.filter(({ running }) => running !== undefined).length;
    },
    queuedTurns: () => lanes.values().reduce((sum, { queued }) => sum + queued.length, 0),
    liveSessions: () => lanes.size,
    countRefused(principal, error) {
      stats.of(principal).refused();
      context.observer.turnRefused(error);
    },
    drain,

    async close(graceMs) {
      drain();
      await gate.wait(graceMs);
      const lastStop: Stop = { finishReason: "interrupted", error: turnError(serverStopped()) };
      context.drain.lastStop = lastStop;
      for (const { running } of lanes.values()) running?.stop(lastStop);
      await gate.wait(storageGraceMs);
      givenUp.abort();
      await gate.wait(storageGraceMs);
      await expiry?.stop();
    },
  };
}

async function cancelTurn(
  context: EngineContext,
  principal: Principal,
  request: CancelRequest,
): Promise<{ cancelled: boolean; turnId: string }> {
  const { turnId, requestId } = request;
  const { store } = context;
  const sessionId = await sessionOfCancel(context, principal, request);
  if (sessionId === undefined) return noTurn;
  const lane = await openLane(context, await requireSession(context, principal, sessionId));
  // Behind the start of the turn, if that is on its way: a cancel does not overtake its own message.
  const wanted = await lane.serially(async () => {
    const byRequest = turnId === "" && requestId !== "";
    const found = byRequest && (await store.findTurnByRequestId(principal, requestId));
    if (byRequest && !found) return undefined;
    const id = found ? found.turnId : turnId;
    return { id, live: lane.find(id) };
  });
  if (wanted?.live) {
    const end = await cancelLive(context, lane, wanted.live);
    return { cancelled: end?.finishReason === "cancelled", turnId: wanted.live.turn.turnId };
  }
  const ended = wanted && (await store.getTurn(principal, sessionId, wanted.id));
  return ended ? { cancelled: false, turnId: wanted.id } : noTurn;
}

const noTurn = { cancelled: false, turnId: "" } as const;

/** The session that a cancel is about; a caller who never learnt it names the request alone. */
async function sessionOfCancel(
  { store }: EngineContext,
  principal: Principal,
  { sessionId, requestId }: CancelRequest,
): Promise<string | undefined> {
  if (sessionId !== "") return sessionId;
  return (await store.findTurnByRequestId(principal, requestId))?.sessionId;
}
