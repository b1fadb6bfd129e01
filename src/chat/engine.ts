import { acquireTurn } from "./acquire-turn.ts";
import type { Clock, NewId } from "./clock.ts";
import { ChatError, sessionBusy, sessionNotFound, storageUnavailable } from "./errors.ts";
import type { Event } from "./event.ts";
import type { EventLog } from "./event-log.ts";
import type { ModelTimeouts } from "./generate.ts";
import { createIdleGate } from "./idle-gate.ts";
import type { Message, Part } from "./message.ts";
import type { Model } from "./model.ts";
import type { ModelCatalog } from "./model-catalog.ts";
import { readTurn } from "./read-turn.ts";
import { recoverTurns } from "./recovery.ts";
import { retryUntil } from "./retry.ts";
import { createRunningTurn, type OnDisconnect, type RunningTurn } from "./running-turn.ts";
import type { GenerationConfig, Principal, Session, SessionDetails } from "./session.ts";
import { createStatsCounter, type Stats } from "./stats.ts";
import type { Page, PageRequest, Store } from "./store.ts";
import type { ChunkBy, Turn, TurnEnd } from "./turn.ts";
import { runTurn, type Stop, turnError } from "./turn-run.ts";

/** Settings of a session that is to be created; what is empty is the server's choice. */
export type NewSession = {
  modelId: string;
  title: string;
  systemInstruction: string;
  generation: GenerationConfig;
  metadata: Readonly<Record<string, string>>;
};

/** A message that asks for a turn. */
export type TurnRequest = {
  /** Empty opens a session. */
  sessionId: string;
  parts: readonly Part[];
  requestId: string;
  /** Empty for the session's own. */
  modelId: string;
  systemInstruction: string;
  generation: GenerationConfig;
  chunkBy: ChunkBy;
  onDisconnect: OnDisconnect;
};

/** A turn on its way, as its starter sees it. */
export type StartedTurn = {
  turnId: string;
  sessionId: string;
  /** The id of the model asked. */
  model: string;
  /** The turn's events, from its first to its end. */
  events(): AsyncIterable<Event>;
};

/** What the operator is told; the engine itself writes no log lines. */
export interface EngineObserver {
  turnEnded(turn: Turn, end: TurnEnd): void;
  /** A turn failed in a way that its caller is not told in full. */
  turnFailed(turn: Turn, error: unknown): void;
}

export type EngineOptions = {
  store: Store;
  log: EventLog;
  models: ModelCatalog;
  clock: Clock;
  newId: NewId;
  timeouts: ModelTimeouts;
  /** Turns that may run at once in this process. */
  runningTurnsMax: number;
  /** Names this process to the store. */
  owner: string;
  observer: EngineObserver;
};

/**
 * Sessions and turns: everything that chatwire does, without a wire. A principal sees its own sessions
 * alone; another's is `not_found`. Errors are ChatErrors; what a port throws is passed on.
 */
export interface Engine {
  /** Ends what a crash left behind. To be called once, before anything else. */
  recover(): Promise<void>;

  /** Throws `invalid_argument`/MODEL_UNKNOWN. */
  createSession(principal: Principal, settings: NewSession): Promise<Session>;
  getSession(principal: Principal, sessionId: string): Promise<SessionDetails>;
  listSessions(principal: Principal, page: PageRequest): Promise<Page<SessionDetails>>;
  countSessions(principal: Principal): Promise<number>;
  listMessages(
    principal: Principal,
    sessionId: string,
    page: PageRequest & { newestFirst: boolean },
  ): Promise<Page<Message>>;
  /** Cancels what runs in the session, then removes it with everything in it. */
  deleteSession(principal: Principal, sessionId: string): Promise<void>;
  lastSequence(sessionId: string): Promise<number>;

  /**
   * Starts a turn: durable before this resolves, running by then. `call` is the signal of the call that
   * asks: when the last such call is gone, `onDisconnect` decides. Throws `not_found` for the session,
   * `failed_precondition`/SESSION_BUSY while another turn runs in it, `invalid_argument`/MODEL_UNKNOWN,
   * `resource_exhausted`/TOO_MANY_TURNS, `unavailable`/SERVER_DRAINING; nothing is stored then.
   */
  startTurn(principal: Principal, request: TurnRequest, call: AbortSignal): Promise<StartedTurn>;

  /**
   * Cancels the session's running turn (the one named, where one is) and resolves once its end is
   * recorded: `cancelled` only if that end is CANCELLED. No such turn running is no error.
   */
  cancelTurn(
    principal: Principal,
    sessionId: string,
    turnId: string,
  ): Promise<{ cancelled: boolean; turnId: string }>;

  isDraining(): boolean;
  stats(): Stats;
  runningTurns(): number;
  /** Counts a message that was refused before the engine saw it. */
  countRefused(): void;

  /** Refuses new turns from now on; running ones go on. */
  drain(): void;
  /** Drains, gives running turns `graceMs`, ends the rest INTERRUPTED, and waits until all are recorded. */
  close(graceMs: number): Promise<void>;
}

export function createEngine(options: EngineOptions): Engine {
  const { store, log, models, clock, newId, observer } = options;
  const stats = createStatsCounter(clock.now());
  const running = new Map<string, RunningTurn>();
  /** Sessions in which a turn is being started or which are being deleted: no other may start there. */
  const claimed = new Map<string, Promise<unknown>>();
  const givenUp = new AbortController();
  const whenIdle = createIdleGate(() => running.size + claimed.size === 0);
  /** Turns that run or are being started. */
  let turns = 0;
  let draining = false;
  /** Set when the time of running turns is up; it holds for those that come late. */
  let lastStop: Stop | undefined;

  const requireSession = async (principal: Principal, sessionId: string) => {
    const session = await store.getSession(principal, sessionId);
    if (!session) throw sessionNotFound(sessionId);
    return session;
  };

  const begin = async (principal: Principal, request: TurnRequest, sessionId: string) => {
    const opens = request.sessionId === "";
    const found = opens ? undefined : await requireSession(principal, sessionId);
    const settings =
      found ?? newSession(principal, sessionId, { ...request, title: "", metadata: {} });
    const model = models.resolve(request.modelId || settings.model);
    const turn = newTurn(settings, request, model);
    const acquired = await acquireTurn(options, { turn, ...(opens && { session: settings }) });
    if (opens) stats.sessionCreated();
    const messagesBefore = found ? found.userMessages + found.modelMessages : 0;
    return { turn: acquired.turn, fence: acquired.fence, model, messagesBefore };
  };

  const newSession = (principal: Principal, sessionId: string, settings: NewSession): Session => {
    const model = models.resolve(settings.modelId).info.modelId;
    const { title, systemInstruction, generation, metadata } = settings;
    const now = clock.now();
    const kept = { title, systemInstruction, generation, metadata };
    return { sessionId, principal, model, ...kept, createdAt: now, updatedAt: now };
  };

  const newTurn = (session: Session, request: TurnRequest, model: Model): Turn => {
    const { sessionId, principal } = session;
    const { requestId, parts } = request;
    const turnId = newId();
    const createdAt = clock.now();
    const userMessage: Message = {
      messageId: newId(),
      sessionId,
      turnId,
      role: "user",
      parts,
      state: "complete",
      createdAt,
      requestId,
      model: "",
      sequence: 0,
    };
    return {
      turnId,
      sessionId,
      principal,
      requestId,
      model: model.info.modelId,
      systemInstruction: request.systemInstruction || session.systemInstruction,
      generation: { ...session.generation, ...request.generation },
      chunkBy: request.chunkBy,
      replyMessageId: newId(),
      userMessage,
      createdAt,
    };
  };

  /** Runs the turn to its end, whatever happens to the calls that read it. */
  const run = async (
    live: RunningTurn,
    begun: Awaited<ReturnType<typeof begin>>,
  ): Promise<TurnEnd | undefined> => {
    try {
      const end = await runTurn({
        ...begun,
        store,
        log,
        clock,
        timeouts: options.timeouts,
        signal: live.signal,
        givenUp: givenUp.signal,
        onStorageFailure: live.fail,
        onError: (error) => observer.turnFailed(live.turn, error),
      });
      stats.ended(end);
      observer.turnEnded(live.turn, end);
      return end;
    } catch (error) {
      observer.turnFailed(live.turn, error);
      live.fail(error instanceof ChatError ? error : storageUnavailable(error));
      return undefined;
    } finally {
      running.delete(live.turn.sessionId);
      turns -= 1;
      whenIdle.check();
    }
  };

  const start = async (
    principal: Principal,
    request: TurnRequest,
    sessionId: string,
    call: AbortSignal,
  ): Promise<StartedTurn> => {
    turns += 1;
    try {
      const after = request.sessionId === "" ? 0 : await log.lastSequence(sessionId);
      const begun = await begin(principal, request, sessionId);
      // Nothing may fail from here on: the turn is running for the store, and must have its end.
      const live = createRunningTurn(begun.turn, request.onDisconnect);
      live.attach(call);
      if (lastStop) live.stop(lastStop);
      running.set(sessionId, live);
      void run(live, begun).then(live.settle);
      const model = begun.model.info.modelId;
      const events = () => readTurn({ store, log, live, after, call });
      return { turnId: begun.turn.turnId, sessionId, model, events };
    } catch (error) {
      turns -= 1;
      throw error;
    }
  };

  /** Keeps turns of the session from being started meanwhile. */
  const claim = async <T>(sessionId: string, work: () => Promise<T>): Promise<T> => {
    const working = work();
    claimed.set(sessionId, working);
    try {
      return await working;
    } finally {
      claimed.delete(sessionId);
      whenIdle.check();
    }
  };

  const engine: Engine = {
    recover: () => recoverTurns({ store, log, clock }),

    async createSession(principal, settings) {
      const session = newSession(principal, newId(), settings);
      await store.createSession(session);
      stats.sessionCreated();
      return session;
    },
    getSession: requireSession,
    listSessions: (principal, page) => store.listSessions(principal, page),
    countSessions: (principal) => store.countSessions(principal),
    listMessages: (principal, sessionId, page) => store.listMessages(principal, sessionId, page),
    lastSequence: (sessionId) => log.lastSequence(sessionId),

    async deleteSession(principal, sessionId) {
      await requireSession(principal, sessionId);
      while (claimed.has(sessionId)) await claimed.get(sessionId)?.catch(() => undefined);
      await claim(sessionId, async () => {
        await engine.cancelTurn(principal, sessionId, "");
        await store.deleteSession(principal, sessionId);
        // Nobody can repeat it: for its principal the session is gone.
        await retryUntil(
          givenUp.signal,
          () => log.drop(sessionId),
          () => {},
        );
      });
    },

    async startTurn(principal, request, call) {
      const sessionId = request.sessionId || newId();
      if (draining) throw serverDraining();
      if (running.has(sessionId) || claimed.has(sessionId)) {
        await requireSession(principal, sessionId);
        throw sessionBusy(sessionId);
      }
      if (turns >= options.runningTurnsMax) throw tooManyTurns();
      return claim(sessionId, () => start(principal, request, sessionId, call));
    },

    async cancelTurn(principal, sessionId, turnId) {
      await requireSession(principal, sessionId);
      const live = running.get(sessionId);
      if (!live || (turnId !== "" && live.turn.turnId !== turnId)) {
        return { cancelled: false, turnId };
      }
      live.stop({ finishReason: "cancelled" });
      const end = await live.ended;
      return { cancelled: end?.finishReason === "cancelled", turnId: live.turn.turnId };
    },

    isDraining: () => draining,
    stats: stats.read,
    runningTurns: () => running.size,
    countRefused: stats.refused,

    drain() {
      draining = true;
    },

    async close(graceMs) {
      draining = true;
      await whenIdle.wait(graceMs);
      lastStop = { finishReason: "interrupted", error: turnError(serverDraining()) };
      for (const live of running.values()) live.stop(lastStop);
      await whenIdle.wait(storageGraceMs);
      givenUp.abort();
      await whenIdle.wait(storageGraceMs);
    },
  };
  return engine;
}

/** At close, how long a storage that takes no writes is given before the turn is left to the next start. */
const storageGraceMs = 2_000;

function tooManyTurns(): ChatError {
  return new ChatError(
    "resource_exhausted",
    "TOO_MANY_TURNS",
    "the server runs all the turns it can",
    {
      retryable: true,
      retryAfterMs: 1_000,
    },
  );
}

function serverDraining(): ChatError {
  return new ChatError("unavailable", "SERVER_DRAINING", "the server is about to stop", {
    retryable: true,
    retryAfterMs: 1_000,
  });
}
