import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { newId, systemClock } from "../../src/chat/clock.ts";
import { createEngine, type EngineOptions, type TurnRequest } from "../../src/chat/engine.ts";
import { storageUnavailable } from "../../src/chat/errors.ts";
import type { EndEvent, Event } from "../../src/chat/event.ts";
import type { EventLog } from "../../src/chat/event-log.ts";
import { type Message, textOf } from "../../src/chat/message.ts";
import type { ModelInfo } from "../../src/chat/model.ts";
import { createModelCatalog } from "../../src/chat/model-catalog.ts";
import { anonymous } from "../../src/chat/session.ts";
import type { Store } from "../../src/chat/store.ts";
import type { Turn, TurnEnd } from "../../src/chat/turn.ts";
import { createMemoryEventLog } from "../../src/event-log/memory.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { createModel, createTestProvider, finish, type Generate, saying } from "./models.ts";

type TestEngineOptions = Partial<EngineOptions> & {
  generate?: Generate;
  info?: Partial<ModelInfo>;
};

/** An engine on memory storage, which fails the test when it leaves a turn behind. */
export async function openEngine(t: TestContext, options: TestEngineOptions = {}) {
  const store = options.store ?? createMemoryStore();
  const log = options.log ?? (await openMemoryLog());
  let generate = options.generate ?? saying("Hello", finish);
  const model = createModel((request, signal) => generate(request, signal), options.info);
  const ended: TurnEnd[] = [];
  const failures: unknown[] = [];
  const engine = createEngine({
    models: createModelCatalog({ providers: [createTestProvider(model)], defaultModel: "test" }),
    clock: systemClock,
    newId,
    timeouts: { firstChunkTimeoutMs: 5_000, idleChunkTimeoutMs: 5_000, turnTimeoutMs: 5_000 },
    runningTurnsMax: 100,
    owner: "test",
    observer: {
      turnEnded: (_turn, end) => ended.push(end),
      turnFailed: (_turn, error) => failures.push(error),
    },
    ...options,
    store,
    log,
  });
  t.after(async () => {
    await engine.close(0);
    assert.equal(engine.runningTurns(), 0, "a turn runs on");
    await log.close();
  });
  const call = new AbortController();
  return {
    engine,
    store,
    log,
    ended,
    failures,
    /** The signal of the calls that `start` makes, unless they bring their own. */
    call,
    answerWith(next: Generate) {
      generate = next;
    },
    start: (request: Partial<TurnRequest> = {}, signal = call.signal) =>
      engine.startTurn(anonymous, turnRequest(request), signal),
    async createSession(): Promise<string> {
      return (await engine.createSession(anonymous, { ...settings, title: "" })).sessionId;
    },
    async texts(sessionId: string): Promise<string[]> {
      return (await allMessages(store, sessionId)).map(
        ({ role, parts }) => `${role}: ${textOf(parts)}`,
      );
    },
  };
}

export function openMemoryLog(): Promise<EventLog> {
  const retention = { retentionMs: 600_000, retentionBytes: 1 << 28 };
  return createMemoryEventLog({ clock: systemClock, ...retention });
}

const settings = { modelId: "", systemInstruction: "", generation: {}, metadata: {} };

export function turnRequest(request: Partial<TurnRequest>): TurnRequest {
  return {
    sessionId: "",
    parts: [{ type: "text", text: "Hi" }],
    requestId: "",
    modelId: "",
    systemInstruction: "",
    generation: {},
    chunkBy: "model",
    onDisconnect: "grace",
    ...request,
  };
}

/** A turn as the engine would make it. */
export function createTurn(overrides: Partial<Turn> = {}): Turn {
  const { turnId = "turn", sessionId = "session" } = overrides;
  return {
    turnId,
    sessionId,
    principal: anonymous,
    requestId: "",
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

export async function allMessages(store: Store, sessionId: string): Promise<Message[]> {
  const page = { pageSize: 200, pageToken: "", newestFirst: false };
  return (await store.listMessages(anonymous, sessionId, page)).items;
}

/** Every event of a turn. */
export function readAll(turn: { events(): AsyncIterable<Event> }): Promise<Event[]> {
  return Array.fromAsync(turn.events());
}

/** The events of a session so far. */
export async function recordedEvents(log: EventLog, sessionId: string): Promise<Event[]> {
  const last = await log.lastSequence(sessionId);
  const reading = new AbortController();
  const events: Event[] = [];
  if (last === 0) return events;
  for await (const event of log.read(sessionId, 0, reading.signal)) {
    events.push(event);
    if (event.sequence === last) break;
  }
  return events;
}

export function endOf(events: readonly Event[]): EndEvent {
  const end = events.at(-1);
  return end?.type === "end" ? end : assert.fail("the last event is no end");
}

export function replyText(events: readonly Event[]): string {
  return events.map((event) => (event.type === "chunk" ? event.text : "")).join("");
}

/**
 * A port of which a test can make methods fail, or hold them back until it says so. Each applies to the calls
 * made from then on.
 */
export function createFaulty<Port extends object>(port: Port) {
  const failing = new Map<string, unknown>();
  const held = new Map<string, Promise<void>>();
  const faulty = new Proxy(port, {
    get(target, name) {
      const method = Reflect.get(target, name) as unknown;
      if (typeof method !== "function" || name === "read") return method;
      return async (...values: unknown[]) => {
        await held.get(String(name));
        const failure = failing.get(String(name));
        if (failure !== undefined) throw failure;
        return Reflect.apply(method, target, values) as unknown;
      };
    },
  });
  return {
    port: faulty,
    fail(method: keyof Port & string, error: unknown = storageUnavailable(new Error("disk full"))) {
      failing.set(method, error);
    },
    mend: (method: keyof Port & string) => void failing.delete(method),
    /** Returns what releases the calls. */
    hold(method: keyof Port & string): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(method, promise);
      return () => {
        held.delete(method);
        resolve();
      };
    },
  };
}
