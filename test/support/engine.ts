import assert from "node:assert/strict";
import { localCaller } from "../../src/chat/caller.ts";
import { newId, systemClock } from "../../src/chat/clock.ts";
import { createEngine, type StartedTurn } from "../../src/chat/engine.ts";
import type { EngineOptions } from "../../src/chat/engine-context.ts";
import type { EndEvent, Event } from "../../src/chat/event.ts";
import type { EventLog } from "../../src/chat/event-log.ts";
import type { LiveTurnOptions } from "../../src/chat/live-turn.ts";
import { type Message, textOf } from "../../src/chat/message.ts";
import type { ModelInfo } from "../../src/chat/model.ts";
import { createModelCatalog } from "../../src/chat/model-catalog.ts";
import { anonymous, type Session } from "../../src/chat/session.ts";
import type { NewSession } from "../../src/chat/sessions.ts";
import type { Store } from "../../src/chat/store.ts";
import type { Turn, TurnEnd } from "../../src/chat/turn.ts";
import type { TurnRequest } from "../../src/chat/turn-request.ts";
import type { Watched, WatchRequest } from "../../src/chat/watch-session.ts";
import type { RetainedEventLog } from "../../src/event-log/log.ts";
import { createMemoryEventLog } from "../../src/event-log/memory.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { openAdmission } from "./admission.ts";
import { createCall, type TestCall } from "./calls.ts";
import {
  createModel,
  createTestProvider,
  finish,
  type Generate,
  saying,
  textPart,
} from "./models.ts";
import { silentRun } from "./silent-run.ts";

type TestEngineOptions = Partial<EngineOptions> & {
  generate?: Generate;
  info?: Partial<ModelInfo>;
};

/** Where a test puts what is to be done after it. */
type Cleanup = { after(close: () => Promise<void>): void };

/** An engine on memory storage, which fails the test when it leaves a turn behind. */
export async function openEngine(t: Cleanup, options: TestEngineOptions = {}) {
  const store = options.store ?? createMemoryStore();
  const log = options.log ?? (await openMemoryLog());
  let generate = options.generate ?? saying("Hello", finish);
  const model = createModel((request, signal) => generate(request, signal), options.info);
  const ended: TurnEnd[] = [];
  const failures: unknown[] = [];
  const expired: number[] = [];
  const engine = createEngine({
    models: createModelCatalog({ providers: [createTestProvider(model)], defaultModel: "test" }),
    clock: systemClock,
    newId,
    timeouts: { firstChunkTimeoutMs: 5_000, idleChunkTimeoutMs: 5_000, turnTimeoutMs: 5_000 },
    runningTurnsMax: 100,
    queuedTurnsMax: 8,
    watchersMax: 100,
    disconnectGraceMs: 30_000,
    sessionTtlMs: 0,
    admission: openAdmission,
    owner: "test",
    observer: {
      turnStarted: () => silentRun,
      turnRefused: () => undefined,
      turnEnded: (_turn, end) => ended.push(end),
      turnFailed: (_turn, error) => failures.push(error),
      sessionsExpired: (count) => expired.push(count),
      expiryFailed: (error) => failures.push(error),
    },
    ...options,
    store,
    log,
  });
  const call = createCall();
  t.after(async () => {
    await engine.close(0);
    call.lose();
    assert.equal(engine.runningTurns(), 0, "a turn runs on");
    await log.close();
  });

  /** Every event that a call gets of a turn that it has started or joined. */
  const read = async (turn: StartedTurn, signal = call.signal): Promise<Event[]> =>
    Array.fromAsync(readTurn(turn, signal));
  function readTurn(turn: StartedTurn, signal = call.signal): AsyncGenerator<Event> {
    const reader = engine.readSession(anonymous, turn.sessionId, signal);
    engine.follow(reader, turn);
    reader.finish();
    return reader[Symbol.asyncIterator]() as AsyncGenerator<Event>;
  }
  const start = (
    request: Partial<TurnRequest> | string = {},
    by: TestCall = call,
    onTurn?: (turn: StartedTurn) => void,
  ) => engine.startTurn(localCaller, turnRequest(request), by, onTurn);
  return {
    engine,
    store,
    log,
    ended,
    failures,
    /** How many sessions each sweep has deleted. */
    expired,
    /** The call that `start` makes, unless another is given. */
    call,
    answerWith(next: Generate) {
      generate = next;
    },
    start,
    read,
    readTurn,
    /** Starts a turn and reads it to its end. */
    ask: async (request: Partial<TurnRequest> | string = {}) => read(await start(request)),
    watch: (request: Partial<WatchRequest>, by: TestCall = call): AsyncGenerator<Watched> =>
      engine.watchSession(localCaller, watchRequest(request), by) as AsyncGenerator<Watched>,
    cancel: (sessionId: string, turnId = "", requestId = "") =>
      engine.cancelTurn(anonymous, { sessionId, turnId, requestId }),
    async createSession(settings: Partial<NewSession> = {}): Promise<string> {
      return (await engine.createSession(localCaller, newSession(settings))).sessionId;
    },
    async texts(sessionId: string): Promise<string[]> {
      return (await allMessages(store, sessionId)).map(textWithRole);
    },
    recorded: (sessionId: string) => recordedEvents(log, sessionId),
  };
}

export type TestEngine = Awaited<ReturnType<typeof openEngine>>;

export function openMemoryLog(
  options: Partial<Parameters<typeof createMemoryEventLog>[0]> = {},
): Promise<RetainedEventLog> {
  const retention = { retentionMs: 600_000, retentionBytes: 1 << 28 };
  return createMemoryEventLog({ clock: systemClock, ...retention, ...options });
}

export function newSession(settings: Partial<NewSession> = {}): NewSession {
  return {
    modelId: "",
    title: "",
    systemInstruction: "",
    generation: {},
    metadata: {},
    requestId: "",
    ...settings,
  };
}

/** A request for a turn; a text stands for a message in a new session. */
export function turnRequest(request: Partial<TurnRequest> | string): TurnRequest {
  const given = typeof request === "string" ? { parts: [textPart(request)] } : request;
  return {
    type: "message",
    sessionId: "",
    parts: [textPart("Hi")],
    messageId: "",
    requestId: "",
    afterSequence: 0,
    afterEpoch: 0,
    onBusy: undefined,
    onDisconnect: undefined,
    modelId: "",
    systemInstruction: "",
    generation: {},
    chunkBy: "model",
    ...given,
  };
}

export function watchRequest(request: Partial<WatchRequest>): WatchRequest {
  return {
    sessionId: "",
    afterSequence: 0,
    afterEpoch: 0,
    untilIdle: false,
    sessionList: false,
    ...request,
  };
}

/** A session as the engine would make it. */
export function createSession(overrides: Partial<Session> = {}): Session {
  return {
    sessionId: "session",
    principal: anonymous,
    model: "test",
    title: "",
    systemInstruction: "",
    generation: {},
    metadata: {},
    createdAt: 1,
    updatedAt: 1,
    ...overrides,
  };
}

/** What a live turn needs that nobody reads. */
export const unattended: Omit<LiveTurnOptions, "turn" | "events"> = {
  startsAfter: 0,
  graceMs: 0,
  watchers: () => 0,
  isDraining: () => false,
  onFailure: () => undefined,
  cancel: () => undefined,
};

/** A turn as the engine would make it. */
export function createTurn(overrides: Partial<Turn> = {}): Turn {
  const { turnId = "turn", sessionId = "session" } = overrides;
  return {
    turnId,
    sessionId,
    principal: anonymous,
    requestId: "",
    type: "message",
    onDisconnect: undefined,
    replaces: [],
    model: "test",
    systemInstruction: "",
    generation: {},
    chunkBy: "model",
    replyMessageId: `${turnId}-reply`,
    userMessage: createMessage({ messageId: `${turnId}-question`, sessionId, turnId }),
    createdAt: 1_000,
    ...overrides,
  };
}

export function createMessage(overrides: Partial<Message> = {}): Message {
  return {
    messageId: "message",
    sessionId: "session",
    turnId: "turn",
    role: "user",
    parts: [{ type: "text", text: "Hi" }],
    state: "complete",
    createdAt: 1_000,
    requestId: "",
    model: "",
    sequence: 0,
    ...overrides,
  };
}

export async function allMessages(
  store: Store,
  sessionId: string,
  { includeReplaced = false } = {},
): Promise<Message[]> {
  const page = { pageSize: 200, pageToken: "", newestFirst: false, includeReplaced };
  return (await store.listMessages(anonymous, sessionId, page)).items;
}

/** `user: Hi`, and `[queued] user: Hi` where it waits or is not whole. */
export function textWithRole({ role, parts, state }: Message): string {
  const mark = state === "complete" ? "" : `[${state}] `;
  return `${mark}${role}: ${textOf(parts)}`;
}

/** The events of a session so far. */
export async function recordedEvents(log: EventLog, sessionId: string): Promise<Event[]> {
  const last = await log.lastSequence(sessionId);
  const events: Event[] = [];
  if (last === 0) return events;
  for await (const event of log.read(sessionId, 0, new AbortController().signal)) {
    events.push(event);
    if (event.sequence === last) break;
  }
  return events;
}

export function endOf(events: readonly (Event | Watched)[]): EndEvent {
  const end = events.at(-1);
  return end?.type === "end" ? end : assert.fail("the last event is no end");
}

export function replyText(events: readonly (Event | Watched)[]): string {
  return events.map((event) => (event.type === "chunk" ? event.text : "")).join("");
}

/** What each event is, in a word: its type, or the type of the update. */
export function kindsOf(events: readonly Watched[]): string[] {
  return events.map((event) => ("updateType" in event ? event.updateType : event.type));
}

/** The next values, as many as are asked for. */
export async function take<T>(source: AsyncIterator<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const next = await source.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}
