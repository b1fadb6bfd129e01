import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import fc from "fast-check";
import type { Event } from "../../../src/chat/event.ts";
import { readEvents } from "../../../src/chat/replay.ts";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { createCall, type TestCall } from "../../support/calls.ts";
import { openEngine, openMemoryLog, type TestEngine, take } from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";
import { until } from "../../support/loops.ts";
import { finish, saying, textPart, thoughtPart } from "../../support/models.ts";

const retentionMs = 1_000;

describe("replay", () => {
  it("past the log's retention is exactly what was recorded", async (t) => {
    const { engine, ask, createSession, recorded, forget, readAfter, log } = await openForgetful(t);
    const sessionId = await createSession();
    await ask({ sessionId });
    await engine.updateSession(anonymous, sessionId, { title: "new" }, "");
    await ask({ sessionId });
    const all = await recorded(sessionId);
    await forget();
    assert.equal(await log.floor(sessionId), all.length);
    for (let after = 0; after <= all.length; after += 1) {
      assert.deepEqual(await readAfter(sessionId, after), all.slice(after));
    }
  });

  it("tells turns in their order, however many and however they overlap", async (t) => {
    const { start, read, cancel, createSession, recorded, forget, readAfter, answerWith } =
      await openForgetful(t);
    const sessionId = await createSession();
    const goOn = Promise.withResolvers<void>();
    answerWith(async function* () {
      await goOn.promise;
      yield* [textPart("a"), finish];
    });
    const turns = [];
    for (let count = 0; count < 40; count += 1) turns.push(await start({ sessionId }));
    for (const { turnId } of turns.slice(20, 25)) await cancel(sessionId, turnId);
    goOn.resolve();
    for (const turn of turns) await read(turn);
    const all = await recorded(sessionId);
    await forget();
    assert.deepEqual(await readAfter(sessionId, 0), all);
    assert.deepEqual(await readAfter(sessionId, 30), all.slice(30));
  });

  it("goes on from the store where retention overtakes a reader that is slow", async (t) => {
    const { ask, createSession, recorded, forget, readEventsOf } = await openForgetful(t);
    const sessionId = await createSession();
    await ask({ sessionId });
    const reading = readEventsOf(sessionId, 0);
    const first = await take(reading, 1);
    await ask({ sessionId });
    const all = await recorded(sessionId);
    await forget();
    assert.deepEqual([...first, ...(await take(reading, all.length - 1))], all);
    await reading.return(undefined);
  });

  it("misses nothing of a turn whose end is recorded and not yet stored", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { start, read, createSession, recorded, forget, readAfter, log } = await openForgetful(
      t,
      { store },
    );
    const sessionId = await createSession();
    const release = hold("endTurn");
    const turn = await start({ sessionId });
    await until(async () => (await log.lastSequence(sessionId)) === 5);
    const all = await recorded(sessionId);
    await forget();
    assert.equal(await log.floor(sessionId), 0);
    assert.deepEqual(await readAfter(sessionId, 0), all);
    release();
    await read(turn);
    await forget();
    assert.equal(await log.floor(sessionId), 5);
    assert.deepEqual(await readAfter(sessionId, 0), all);
  });

  it("ends when its signal aborts, and throws for a sequence that is still to come", async (t) => {
    const { ask, createSession, readAfter, store, log } = await openForgetful(t);
    const sessionId = await createSession();
    await ask({ sessionId });
    await assert.rejects(readAfter(sessionId, 6), { reason: "SEQUENCE_OUT_OF_RANGE" });
    const { signal } = createCall();
    const aborted = AbortSignal.any([signal, AbortSignal.abort()]);
    assert.deepEqual(await Array.fromAsync(readEvents(store, log, sessionId, 0, aborted)), []);
  });
});

describe("each reader's view, put together", () => {
  it("equals the log, whatever happens meanwhile", async () => {
    const reader = fc.nat({ max: 2 });
    const step = fc.oneof(
      fc.constant({ do: "start" as const }),
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant("say" as const),
          text: anyText(),
          thought: fc.boolean(),
        }),
      },
      fc.constant({ do: "finish" as const }),
      fc.nat({ max: 4 }).map((which) => ({ do: "cancel" as const, which })),
      fc.constant({ do: "update" as const }),
      fc.constant({ do: "regenerate" as const }),
      { weight: 2, arbitrary: fc.nat({ max: 900 }).map((ms) => ({ do: "forget" as const, ms })) },
      fc.record({ do: fc.constant("open" as const), reader, after: fc.nat({ max: 40 }) }),
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant("read" as const),
          reader,
          count: fc.integer({ min: 1, max: 8 }),
        }),
      },
      fc.record({ do: fc.constant("leave" as const), reader }),
      fc.nat({ max: 3 }).map((loops) => ({ do: "wait" as const, loops })),
    );
    const steps = fc.array(step, { minLength: 5, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const closing: (() => Promise<void>)[] = [];
        const cleanup = { after: (close: () => Promise<void>) => void closing.push(close) };
        try {
          await play(await openForgetful(cleanup), all);
        } finally {
          for (const close of closing) await close();
        }
      }),
      { numRuns: 150 },
    );
  });
});

type Step =
  | { do: "start" | "finish" | "update" | "regenerate" }
  | { do: "say"; text: string; thought: boolean }
  | { do: "cancel"; which: number }
  | { do: "forget"; ms: number }
  | { do: "open"; reader: number; after: number }
  | { do: "read"; reader: number; count: number }
  | { do: "leave"; reader: number }
  | { do: "wait"; loops: number };

type Forgetful = Awaited<ReturnType<typeof openForgetful>>;

async function play(test: Forgetful, steps: readonly Step[]): Promise<void> {
  const { engine, log, createSession, start, cancel, answerWith, forget } = test;
  const sessionId = await createSession();
  const model = createDirected();
  answerWith(model.generate);
  const log0 = recordAll(log, sessionId);
  const readers = [0, 1, 2].map(() => createReader(test, sessionId));
  const turnIds: string[] = [];
  const send = async (type: "message" | "regenerate") => {
    const turn = await start({ sessionId, type }).catch(() => undefined);
    if (turn) turnIds.push(turn.turnId);
  };
  for (const step of steps) {
    if (step.do === "start") await send("message");
    if (step.do === "regenerate") await send("regenerate");
    if (step.do === "say") model.say(step.text, step.thought);
    if (step.do === "finish") model.finish();
    if (step.do === "cancel") await cancel(sessionId, turnIds.at(-1 - step.which) ?? "none");
    if (step.do === "update") await engine.updateSession(anonymous, sessionId, { title: "x" }, "");
    if (step.do === "forget") await forget(step.ms);
    if (step.do === "wait") for (let n = 0; n < step.loops; n += 1) await turnOfTheLoop();
    if (step.do === "open") {
      const after = step.after % ((await log.lastSequence(sessionId)) + 1);
      readers[step.reader]?.open(after);
    }
    if (step.do === "read") readers[step.reader]?.read(step.count);
    if (step.do === "leave") await readers[step.reader]?.leave();
  }
  model.finishAll();
  await until(async () => (await engine.getSession(anonymous, sessionId)).runningTurnId === "");
  await until(() => engine.runningTurns() === 0);
  const last = await log.lastSequence(sessionId);
  await until(() => log0.events.length === last);
  for (const reader of readers) await reader.check(log0.events);
  log0.stop();
}

/** A model that says what it is told to, and nothing by itself. */
function createDirected() {
  let all = false;
  let wake: () => void = () => undefined;
  const parts: (ReturnType<typeof textPart> | typeof finish)[] = [];
  const add = (part: (typeof parts)[number]) => {
    parts.push(part);
    wake();
  };
  return {
    say: (text: string, thought: boolean) => add(thought ? thoughtPart(text) : textPart(text)),
    finish: () => add(finish),
    finishAll() {
      all = true;
      wake();
    },
    async *generate(_request: unknown, signal: AbortSignal) {
      while (!signal.aborted) {
        const part = parts.shift() ?? (all ? finish : undefined);
        if (part) yield part;
        if (part?.type === "finish") return;
        if (part) continue;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
        await promise;
      }
    },
  };
}

/** Everything that is recorded, as it is recorded. */
function recordAll(log: Forgetful["log"], sessionId: string) {
  const reading = new AbortController();
  const events: Event[] = [];
  void (async () => {
    for await (const event of log.read(sessionId, 0, reading.signal)) events.push(event);
  })();
  return { events, stop: () => reading.abort() };
}

/** A watcher that reads as many events as it is told to, leaves, and comes again where it was. */
function createReader({ watch }: TestEngine, sessionId: string) {
  let startedAfter: number | undefined;
  const seen: Event[] = [];
  let call: TestCall | undefined;
  let events: AsyncGenerator<unknown> | undefined;
  let reading: Promise<void> = Promise.resolve();
  let toRead = 0;
  let live = 0;
  let known = 0;

  const pull = async () => {
    const own = events;
    while (own && own === events && toRead > 0) {
      const next = await own.next().catch(() => ({ done: true as const, value: undefined }));
      if (next.done || own !== events) return;
      const event = next.value as Awaited<ReturnType<ReturnType<typeof watch>["next"]>>["value"];
      if (event.type !== "live_update") {
        toRead -= 1;
        seen.push(event);
        assert.ok(live === 1 || event.sequence <= known, "an event after the replay, before live");
      } else if (event.updateType === "watching") {
        known = event.data.last_sequence;
        live = 0;
      } else if (event.updateType === "live") {
        live += 1;
        assert.ok((seen.at(-1)?.sequence ?? startedAfter ?? 0) >= known, "live before its time");
      }
    }
  };
  const connect = () => {
    call = createCall();
    const afterSequence = seen.at(-1)?.sequence ?? startedAfter ?? 0;
    events = watch({ sessionId, afterSequence }, call);
  };
  const reader = {
    open(after: number) {
      startedAfter ??= after;
      if (!events) connect();
    },
    read(count: number) {
      toRead += count;
      reading = reading.then(pull);
    },
    async leave() {
      if (!events) return;
      events = undefined;
      call?.lose();
      toRead = 0;
      await reading;
    },
    /** Reads the rest, and compares. */
    async check(all: readonly Event[]) {
      if (startedAfter === undefined) return;
      const expected = all.slice(startedAfter);
      if (!events) connect();
      reader.read(expected.length - seen.length - toRead);
      if (expected.length > seen.length) await until(() => seen.length >= expected.length);
      assert.deepEqual(seen, expected);
      await reader.leave();
    },
  };
  return reader;
}

function anyText() {
  return fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 });
}

/** An engine whose log forgets what is older than a second, of a clock that only the test moves. */
async function openForgetful(
  t: Parameters<typeof openEngine>[0],
  options: Parameters<typeof openEngine>[1] = {},
) {
  let nowMs = 1_000_000;
  const clock = { now: () => nowMs, monotonicMs: () => nowMs };
  const log = await openMemoryLog({ clock, retentionMs });
  const generate = saying("Hel", "lo", finish);
  const engine = await openEngine(t, { clock, log, generate, queuedTurnsMax: 100, ...options });
  const { store } = engine;
  const readEventsOf = (sessionId: string, after: number) =>
    readEvents(store, log, sessionId, after, new AbortController().signal);
  return {
    ...engine,
    log,
    /** Lets so much time pass, and removes what is older than the retention then. */
    async forget(ms = retentionMs + 1) {
      nowMs += ms;
      await log.prune();
    },
    readEventsOf,
    /** The session's events after a sequence, so far. */
    async readAfter(sessionId: string, after: number): Promise<Event[]> {
      const last = await log.lastSequence(sessionId);
      const events: Event[] = [];
      if (after === last) return events;
      for await (const event of readEventsOf(sessionId, after)) {
        events.push(event);
        if (event.sequence === last) break;
      }
      return events;
    },
  };
}
