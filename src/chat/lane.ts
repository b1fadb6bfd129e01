import type { Call } from "./call.ts";
import type { ChatError } from "./errors.ts";
import type { LiveUpdate, LiveUpdateType } from "./event.ts";
import { createHub, type Hub } from "./hub.ts";
import { createIdleGate } from "./idle-gate.ts";
import type { LiveTurn } from "./live-turn.ts";

/**
 * One session as this process knows it while somebody uses it: the turn that runs, those that wait, and who
 * watches. What changes the session's turns goes through `serially`, one after another; the store and the
 * log stay the truth, and decide where two processes disagree.
 */
export interface Lane {
  readonly sessionId: string;
  readonly principal: string;
  /** Rises when the event log is found behind what the store knows (DESIGN section 2, rule 3). */
  readonly epoch: number;
  running: LiveTurn | undefined;
  /** In the order in which they will run. */
  readonly queued: LiveTurn[];
  /** The session is gone from the store. */
  deleted: boolean;
  /**
   * The session is being deleted until what it returns is called. Its turns end by that; their readers wait for
   * `deletion`.
   */
  beginDeletion(): () => void;
  /**
   * Resolves once no deletion is under way: with true when the session is gone, and its last event is recorded or
   * never will be.
   */
  deletion(): Promise<boolean>;
  /** The turn of that id that runs or waits here; any that runs for an empty id. */
  find(turnId: string): LiveTurn | undefined;
  /** Nothing runs or waits. */
  isIdle(): boolean;
  /** Runs one piece of work after another; what one throws concerns its caller alone. */
  serially<T>(work: () => Promise<T>): Promise<T>;
  /** Counts a watcher until its call is over. */
  watch(call: Call): void;
  watchers(): number;
  /** Tells whoever listens what is not recorded. */
  tell(updateType: LiveUpdateType, data: LiveUpdate["data"]): void;
  readonly updates: Hub<LiveUpdate>;
  /** What watchers are told when the storage fails under a turn. */
  readonly faults: Hub<ChatError>;
  /** Counts a reader of the session until what it returns is called. */
  read(): () => void;
  /** Somebody reads or watches the session. */
  isRead(): boolean;
  /** Resolves when nobody reads the session, after `ms` milliseconds at the latest. */
  readersGone(ms: number): Promise<void>;
  /** The lane may be forgotten: nothing uses it. */
  isUnused(): boolean;
  /** To be called when something has stopped using the lane. */
  checkUnused(): void;
}

export function createLane(
  session: { sessionId: string; principal: string; epoch: number },
  onUnused: (lane: Lane) => void,
): Lane {
  const { sessionId, principal, epoch } = session;
  const updates = createHub<LiveUpdate>(() => checkUnused());
  const faults = createHub<ChatError>(() => checkUnused());
  let readers = 0;
  const readersGate = createIdleGate(() => readers === 0);
  const queued: LiveTurn[] = [];
  let watchers = 0;
  let working = 0;
  let last: Promise<unknown> = Promise.resolve();
  let deleting: Promise<void> | undefined;

  const reviewTurns = () => {
    lane.running?.readership.review();
    for (const turn of queued) turn.readership.review();
  };
  let checking = false;
  // Not at once: whoever has just looked the lane up uses it before the event loop goes on.
  const checkUnused = () => {
    if (checking) return;
    checking = true;
    setImmediate(() => {
      checking = false;
      if (lane.isUnused()) onUnused(lane);
    });
  };
  const lane: Lane = {
    sessionId,
    principal,
    epoch,
    running: undefined,
    queued,
    deleted: false,
    beginDeletion() {
      const { promise, resolve } = Promise.withResolvers<void>();
      deleting = promise;
      return () => {
        deleting = undefined;
        resolve();
      };
    },
    async deletion() {
      await deleting;
      return lane.deleted;
    },
    updates,
    faults,
    read() {
      readers += 1;
      let counted = true;
      return () => {
        if (counted) readers -= 1;
        counted = false;
        readersGate.check();
        checkUnused();
      };
    },
    isRead: () => watchers + readers + updates.size() + faults.size() > 0,
    readersGone: (ms) => readersGate.wait(ms),
    find(turnId) {
      if (turnId === "" || lane.running?.turn.turnId === turnId) return lane.running;
      return queued.find(({ turn }) => turn.turnId === turnId);
    },
    isIdle: () => lane.running === undefined && queued.length === 0,
    serially(work) {
      working += 1;
      const done = last.then(work).finally(() => {
        working -= 1;
        checkUnused();
      });
      last = done.catch(() => undefined);
      return done;
    },
    watch(call) {
      watchers += 1;
      reviewTurns();
      const leave = () => {
        watchers -= 1;
        reviewTurns();
        checkUnused();
      };
      if (call.signal.aborted) leave();
      else call.signal.addEventListener("abort", leave, { once: true });
    },
    watchers: () => watchers,
    tell: (updateType, data) => updates.emit({ type: "live_update", sessionId, updateType, data }),
    checkUnused,
    isUnused: () => working === 0 && !lane.isRead() && lane.isIdle(),
  };
  return lane;
}
