import type { Admission } from "./admission.ts";
import type { Clock, NewId } from "./clock.ts";
import { ChatError, sessionNotFound } from "./errors.ts";
import type { ListUpdateType, LiveUpdate } from "./event.ts";
import type { EventLog } from "./event-log.ts";
import type { ModelTimeouts } from "./generate.ts";
import { createHub, type Hub } from "./hub.ts";
import { createLane, type Lane } from "./lane.ts";
import type { Stop } from "./live-turn.ts";
import type { ModelCatalog } from "./model-catalog.ts";
import type { EngineObserver } from "./observer.ts";
import type { Principal, SessionDetails } from "./session.ts";
import { createStatsBook, type StatsBook } from "./stats.ts";
import type { Store } from "./store.ts";

export type EngineOptions = {
  store: Store;
  log: EventLog;
  models: ModelCatalog;
  clock: Clock;
  newId: NewId;
  timeouts: ModelTimeouts;
  /** Turns that may run at once in this process. */
  runningTurnsMax: number;
  /** Turns that may wait in one session. */
  queuedTurnsMax: number;
  /** Watchers that one session may have. */
  watchersMax: number;
  /** How long a turn runs on that nobody reads (rule 10), milliseconds. */
  disconnectGraceMs: number;
  /** How long a session is kept that nobody changes, milliseconds; 0: for ever. */
  sessionTtlMs: number;
  /** Names this process to the store. */
  owner: string;
  observer: EngineObserver;
  /** Decides whether a new turn may begin. */
  admission: Admission;
};

/** What the parts of the engine share. */
export type EngineContext = EngineOptions & {
  stats: StatsBook;
  lanes: Map<string, Lane>;
  /** Turns that run or are about to, and requests that may start one. */
  runs: { count: number; starting: number };
  /** The request_ids, with their principals, that a turn is being started for; each resolves when that is done. */
  startingKeys: Map<string, Promise<void>>;
  /** The epochs that this process has begun, or begins, by session. */
  looks: Map<string, Promise<number>>;
  /** Aborted when the process can wait no longer for a storage that takes no writes. */
  givenUp: AbortController;
  drain: {
    isDraining: boolean;
    /** Aborts when the drain begins. */
    began: AbortController;
    /** Set when the time of running turns is up; it holds for those that come late. */
    lastStop: Stop | undefined;
  };
  /** Called after each run, and each start. */
  onRunEnded: () => void;
  /** The principal's lists: what happens to its sessions. */
  lists: Map<Principal, Hub<LiveUpdate>>;
};

export function createEngineContext(options: EngineOptions): EngineContext {
  return {
    ...options,
    stats: createStatsBook(options.clock.now()),
    lanes: new Map(),
    runs: { count: 0, starting: 0 },
    startingKeys: new Map(),
    looks: new Map(),
    givenUp: new AbortController(),
    drain: { isDraining: false, began: new AbortController(), lastStop: undefined },
    onRunEnded: () => undefined,
    lists: new Map(),
  };
}

export async function requireSession(
  { store }: EngineContext,
  principal: Principal,
  sessionId: string,
): Promise<SessionDetails> {
  const session = await store.getSession(principal, sessionId);
  if (!session) throw sessionNotFound(sessionId);
  return session;
}

/**
 * The session's lane; made where nobody uses the session yet. It is to be used before the event loop goes on,
 * or looked up again.
 */
export async function openLane(context: EngineContext, session: SessionDetails): Promise<Lane> {
  const { sessionId, principal } = session;
  const epoch = await epochOf(context, session);
  return context.lanes.get(sessionId) ?? addLane(context, { sessionId, principal, epoch });
}

/**
 * The session's epoch, after a look whether its log is whole: where it ends before what the store knows of,
 * its sequences go on from there in a new epoch (DESIGN section 2, rule 3).
 */
export async function epochOf(context: EngineContext, session: SessionDetails): Promise<number> {
  const { lanes, looks, log } = context;
  const { sessionId } = session;
  const known = lanes.get(sessionId)?.epoch ?? (await looks.get(sessionId));
  if (known !== undefined) return known;
  if ((await log.lastSequence(sessionId)) >= session.lastSequence) return session.epoch;
  const look = looks.get(sessionId) ?? beginEpoch(context, session);
  looks.set(sessionId, look);
  // What it found is kept: whoever read the session before it knows the old epoch.
  look.catch(() => looks.delete(sessionId));
  return look;
}

async function beginEpoch({ store, log }: EngineContext, session: SessionDetails): Promise<number> {
  const epoch = await store.raiseEpoch(session.sessionId);
  await log.skipTo(session.sessionId, session.lastSequence);
  return epoch;
}

/** A lane for a session that nobody else can know of yet, or that a crash left behind. */
export function addLane(
  { lanes }: EngineContext,
  session: { sessionId: string; principal: string; epoch: number },
): Lane {
  const lane = createLane(session, (unused) => {
    if (lanes.get(unused.sessionId) === unused) lanes.delete(unused.sessionId);
  });
  lanes.set(session.sessionId, lane);
  lane.checkUnused();
  return lane;
}

/** Tells whoever watches the principal's list of sessions. */
export function tellList(
  { lists }: EngineContext,
  principal: Principal,
  sessionId: string,
  updateType: ListUpdateType,
  data: LiveUpdate["data"] = {},
): void {
  const update = { session_id: sessionId, ...data };
  lists.get(principal)?.emit({ type: "live_update", sessionId, updateType, data: update });
}

/** The hub of the principal's list of sessions. */
export function listOf({ lists }: EngineContext, principal: Principal): Hub<LiveUpdate> {
  const known = lists.get(principal);
  if (known) return known;
  const hub = createHub<LiveUpdate>(() => {
    if (hub.size() === 0) lists.delete(principal);
  });
  lists.set(principal, hub);
  return hub;
}

/** Throws `data_loss`/EPOCH_CHANGED where the caller's cursor is of another epoch than the log; 0 is of any. */
export function refuseOtherEpoch({ epoch }: Lane, afterEpoch: number): void {
  if (afterEpoch === 0 || afterEpoch === epoch) return;
  const text = `the session's events are of epoch ${epoch} now; list its messages again`;
  throw new ChatError("data_loss", "EPOCH_CHANGED", text, { metadata: { epoch: String(epoch) } });
}

/** A cursor ahead of the log, which is nobody's (DESIGN section 2, rule 6). */
export function cursorAhead(epoch: number, lastSequence: number): ChatError {
  const metadata = { epoch: String(epoch), last_sequence: String(lastSequence) };
  const text = `the session's last sequence is ${lastSequence}`;
  return new ChatError("out_of_range", "SEQUENCE_OUT_OF_RANGE", text, { metadata });
}

export function serverDraining(): ChatError {
  return new ChatError("unavailable", "SERVER_DRAINING", "the server is about to stop", {
    retryable: true,
    retryAfterMs: 1_000,
  });
}

export function serverStopped(): ChatError {
  return new ChatError("unavailable", "SERVER_STOPPED", "the server stopped in mid reply", {
    retryable: true,
    retryAfterMs: 1_000,
  });
}
