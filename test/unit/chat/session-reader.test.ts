import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { StartedTurn } from "../../../src/chat/engine.ts";
import type { Event } from "../../../src/chat/event.ts";
import type { EventBatch } from "../../../src/chat/event-log.ts";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { createCall } from "../../support/calls.ts";
import {
  allMessages,
  endOf,
  kindsOf,
  openEngine,
  openMemoryLog,
  replyText,
  take,
} from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle, until } from "../../support/loops.ts";
import { finish, saying, textPart, waitingAfter } from "../../support/models.ts";

describe("reading a turn", () => {
  it("tells the end once the store has it and the session is free", async (t) => {
    const { store, start, readTurn, read, createSession } = await openEngine(t, {
      runningTurnsMax: 1,
    });
    const sessionId = await createSession();
    for (let round = 1; round <= 50; round += 1) {
      const turn = await start({ sessionId, onBusy: "reject" });
      for await (const event of readTurn(turn)) {
        if (event.type !== "end") continue;
        // Both were posted before anything else could happen.
        const [next, messages] = await Promise.all([
          start({ sessionId, onBusy: "reject" }),
          allMessages(store, sessionId),
        ]);
        const replies = messages.filter(({ role }) => role === "model");
        assert.equal(replies.at(-1)?.messageId, event.messageId);
        assert.equal(replies.length, 2 * round - 1);
        await read(next);
      }
    }
  });

  it("tells nothing of the end while the store has not taken it", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { log, start, readTurn } = await openEngine(t, { store });
    const release = hold("endTurn");
    const turn = await start();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of readTurn(turn)) seen.push(event.type);
    })();
    await until(async () => (await log.lastSequence(turn.sessionId)) === 4);
    await settle();
    assert.deepEqual(seen, ["status", "start", "chunk"]);
    release();
    await reading;
    assert.equal(seen.at(-1), "end");
  });

  it("gives the same events to every reader, early or late", async (t) => {
    const { start, read, recorded } = await openEngine(t, { generate: saying("a", "b", finish) });
    const turn = await start();
    const early = await Promise.all([read(turn), read(turn)]);
    const late = await read(turn);
    const all = await recorded(turn.sessionId);
    for (const events of [...early, late]) assert.deepEqual(events, all);
  });

  it("gives nothing of other turns, and what belongs to none", async (t) => {
    const { engine, start, read, createSession, answerWith } = await openEngine(t);
    const sessionId = await createSession();
    await read(await start({ sessionId }));
    const goOn = Promise.withResolvers<void>();
    answerWith(async function* () {
      await goOn.promise;
      yield* [textPart("second"), finish];
    });
    const second = await start({ sessionId });
    const reading = read(second);
    const third = await start({ sessionId });
    await engine.updateSession(anonymous, sessionId, { title: "new" }, "");
    goOn.resolve();
    const events = await reading;
    assert.deepEqual(kindsOf(events), ["status", "session_changed", "start", "chunk", "end"]);
    assert.ok(events.every(({ turnId }) => turnId === second.turnId || turnId === ""));
    assert.equal(replyText(events), "second");
    await read(third);
  });

  it("throws the call's reason as soon as that aborts, also while it waits for the end", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { start, readTurn } = await openEngine(t, { store });
    const release = hold("endTurn");
    const turn = await start({ onDisconnect: "continue" });
    const call = createCall();
    const events = readTurn(turn, call.signal);
    await take(events, 3);
    const end = events.next();
    await settle();
    const reason = new Error("left");
    call.lose(reason);
    await assert.rejects(end, reason);
    assert.equal(call.listeners(), 0);
    release();
  });

  it("throws what readers are to be told when the log has failed", async (t) => {
    const { port: log, fail, mend } = createFaulty(await openMemoryLog());
    const { start, readTurn, engine } = await openEngine(t, { log, generate: waitingAfter("a") });
    const turn = await start();
    const events = readTurn(turn);
    await take(events, 3);
    fail("append");
    const next = events.next();
    const unavailable = { kind: "unavailable", reason: "STORAGE_UNAVAILABLE" };
    const cancelled = engine.cancelTurn(anonymous, { ...turn, requestId: "" });
    await Promise.all([next, cancelled].map((call) => assert.rejects(call, unavailable)));
    mend("append");
  });

  it("says that the server stopped when the log closes under it", async (t) => {
    const { log, engine, start, readTurn } = await openEngine(t, { generate: waitingAfter("a") });
    const turn = await start();
    const events = readTurn(turn);
    await take(events, 3);
    const next = events.next();
    await log.close();
    await assert.rejects(next, { kind: "unavailable", reason: "SERVER_STOPPED" });
    await engine.close(0);
  });

  it("says that the session is gone when it was deleted, to a slow reader too", async (t) => {
    const { engine, call, start, readTurn } = await openEngine(t, { generate: waitingAfter("a") });
    const turn = await start();
    const slow = readTurn(turn);
    await slow.next();
    const stream = engine.readSession(anonymous, turn.sessionId, call.signal);
    engine.follow(stream, turn);
    const kinds: string[] = [];
    const reading = (async () => {
      for await (const event of stream) kinds.push(...kindsOf([event]));
    })();
    const gone = { kind: "not_found", reason: "SESSION_NOT_FOUND" };
    await Promise.all([
      assert.rejects(reading, gone),
      engine.deleteSession(anonymous, turn.sessionId),
    ]);
    assert.deepEqual(kinds, ["status", "start", "chunk", "end", "session_deleted"]);
    await assert.rejects(take(slow, 9), gone);
  });

  it("ends with its session and not with its turn, where the deletion has ended that", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { engine, start, read } = await openEngine(t, { store, generate: waitingAfter("a") });
    const first = await start();
    const { sessionId } = first;
    const release = hold("deleteSession");
    const readings = [first, await start({ sessionId })].map((turn) => read(turn));
    const gone = { kind: "not_found", reason: "SESSION_NOT_FOUND" };
    const refused = readings.map((reading) => assert.rejects(reading, gone));
    const deleted = engine.deleteSession(anonymous, sessionId);
    await settle();
    release();
    await Promise.all([deleted, ...refused]);
  });

  it("ends with its turn where the deletion that has ended it fails", async (t) => {
    const { port: store, fail } = createFaulty(createMemoryStore());
    const { engine, start, read } = await openEngine(t, { store, generate: waitingAfter("a") });
    const turn = await start();
    const reading = read(turn);
    fail("deleteSession");
    await assert.rejects(engine.deleteSession(anonymous, turn.sessionId));
    assert.equal(endOf(await reading).finishReason, "cancelled");
  });

  it("leaves nothing on the call when its reader goes away in the middle", async (t) => {
    const { call, start, readTurn, cancel } = await openEngine(t, { generate: waitingAfter("a") });
    const turn = await start();
    for await (const event of readTurn(turn)) if (event.type === "chunk") break;
    await cancel(turn.sessionId, turn.turnId);
    assert.equal(call.listeners(), 0);
  });
});

describe("one call that reads several turns of a session", () => {
  it("gets a turn that has to wait in its order, however fast the one before it goes on", async (t) => {
    const memory = await openMemoryLog();
    const goOn = Promise.withResolvers<void>();
    const log = {
      ...memory,
      async append(batch: EventBatch) {
        const appended = await memory.append(batch);
        if (batch.fence > 0) return appended;
        // What else is recorded comes to readers before the answer does.
        goOn.resolve();
        await until(async () => (await memory.lastSequence(batch.sessionId)) > 5);
        await settle();
        return appended;
      },
    };
    const { engine, start, call, createSession } = await openEngine(t, {
      log,
      async *generate() {
        yield textPart("a");
        await goOn.promise;
        yield* [textPart("b"), textPart("c"), finish];
      },
    });
    const sessionId = await createSession();
    const reader = engine.readSession(anonymous, sessionId, call.signal);
    const follow = (turn: StartedTurn) => engine.follow(reader, turn);
    await start({ sessionId }, call, follow);
    const sequences: number[] = [];
    const reading = (async () => {
      for await (const { sequence } of reader) sequences.push(sequence);
    })();
    await until(() => sequences.length === 3);
    await start({ sessionId }, call, follow);
    reader.finish();
    await reading;
    const rising = Array.from(sequences, (_sequence, index) => index + 1);
    assert.deepEqual(sequences, rising);
  });

  it("gets each of them in order, and ends with the last", async (t) => {
    const { engine, start, call, createSession } = await openEngine(t);
    const sessionId = await createSession();
    const reader = engine.readSession(anonymous, sessionId, call.signal);
    const turns = await Promise.all([1, 2, 3].map(() => start({ sessionId })));
    for (const turn of turns) engine.follow(reader, turn);
    reader.finish();
    const events = await Array.fromAsync(reader);
    const sequences = events.map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences,
      sequences.toSorted((one, other) => one - other),
    );
    for (const { turnId } of turns) {
      const own = events.filter((event) => event.turnId === turnId);
      assert.equal(kindsOf(own).at(-1), "end");
    }
  });

  it("may join one that ended long before, and loses nothing of what runs", async (t) => {
    const { engine, start, call, read, createSession, answerWith } = await openEngine(t);
    const sessionId = await createSession();
    const old = await read(await start({ sessionId, requestId: "old" }));
    const goOn = Promise.withResolvers<void>();
    answerWith(async function* () {
      yield textPart("Hel");
      await goOn.promise;
      yield* [textPart("lo"), finish];
    });
    const reader = engine.readSession(anonymous, sessionId, call.signal);
    const turn = await start({ sessionId });
    engine.follow(reader, turn);
    const events = reader[Symbol.asyncIterator]();
    const first = await take(events, 3);
    engine.follow(reader, await start({ sessionId, requestId: "old" }));
    reader.finish();
    assert.deepEqual(await take(events, old.length), old);
    goOn.resolve();
    const rest = await take(events, 99);
    assert.equal(replyText([...first, ...rest]), "Hello");
  });

  it("may join one at any moment: it misses nothing, and is told nothing again", async (t) => {
    const { engine, log, start, call, read, createSession, answerWith, cancel } =
      await openEngine(t);
    const update = () => engine.updateSession(anonymous, sessionId, { title: "new" }, "");
    const sessionId = await createSession();
    const old = await read(await start({ sessionId, requestId: "old" }));
    const joined = await start({ sessionId, requestId: "old" });
    await update();
    answerWith(waitingAfter("a"));
    // How many turns of the promise queue the joining comes after an event.
    for (let delay = 0; delay < 12; delay += 1) {
      const reader = engine.readSession(anonymous, sessionId, call.signal);
      engine.follow(reader, await start({ sessionId }));
      const events = reader[Symbol.asyncIterator]();
      await take(events, 3);
      const next = take(events, 1 + old.length);
      const at = { at: 1, elapsedMs: 0 };
      const changed = { type: "session_update", updateType: "session_changed" } as const;
      const batch = { sessionId, turnId: "", fence: 0, batch: 0 };
      await log.append({ ...batch, events: [{ ...changed, data: {}, ...at }] });
      for (let turns = 0; turns < delay; turns += 1) await Promise.resolve();
      engine.follow(reader, joined);
      reader.finish();
      const told = await next;
      assert.deepEqual(
        told.filter(({ turnId }) => turnId !== ""),
        old,
      );
      assert.equal(kindsOf(told).filter((kind) => kind === "session_changed").length, 1);
      const rest = take(events, 9);
      await cancel(sessionId);
      assert.deepEqual(kindsOf(await rest), ["end"]);
    }
  });

  it("misses no event and gets none twice, whenever turns are started, joined and read", async (t) => {
    const step = fc.oneof(
      fc.constant({ do: "start" as const }),
      fc.constant({ do: "update" as const }),
      fc.nat({ max: 8 }).map((which) => ({ do: "join" as const, which })),
      fc.nat({ max: 9 }).map((loops) => ({ do: "wait" as const, loops })),
      fc.nat({ max: 3 }).map((count) => ({ do: "read" as const, count })),
    );
    const { engine, createSession, start, call, recorded } = await openEngine(t, {
      generate: saying("a", "b", finish),
      queuedTurnsMax: 100,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const sessionId = await createSession();
        const reader = engine.readSession(anonymous, sessionId, call.signal);
        const iterator = reader[Symbol.asyncIterator]();
        const seen: Event[] = [];
        const followed = new Set<string>();
        let keys = 0;
        let reading: Promise<unknown> = Promise.resolve();
        const follow = async (key: number) => {
          const turn = await start({ sessionId, requestId: `${sessionId}-${key}` });
          engine.follow(reader, turn);
          followed.add(turn.turnId);
        };
        const pull = async (count: number) => {
          if (followed.size > 0) seen.push(...(await take(iterator, count)));
        };
        const pending: Promise<unknown>[] = [];
        for (const one of steps) {
          if (one.do === "start") {
            keys += 1;
            pending.push(follow(keys));
          }
          if (one.do === "join" && one.which < keys) await follow(one.which + 1);
          if (one.do === "update") {
            await engine.updateSession(anonymous, sessionId, { title: `${seen.length}` }, "");
          }
          if (one.do === "wait") for (let n = 0; n < one.loops; n += 1) await Promise.resolve();
          if (one.do === "read") reading = reading.then(() => pull(one.count));
        }
        await Promise.all(pending);
        reader.finish();
        await reading;
        for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
          seen.push(next.value);
        }
        const all = await recorded(sessionId);
        for (const turnId of followed) {
          const own = all.filter((event) => event.turnId === turnId);
          // One that is joined again, is told again from its beginning.
          const got = seen.filter((event) => event.turnId === turnId);
          let next = 0;
          for (const event of got) {
            if (event.sequence === own[0]?.sequence) next = 0;
            assert.deepEqual(event, own[next]);
            next += 1;
          }
          assert.equal(next, own.length);
        }
        const ofSession = seen.filter(({ turnId }) => turnId === "");
        const sequences = ofSession.map(({ sequence }) => sequence);
        assert.equal(new Set(sequences).size, sequences.length);
        const first = sequences[0] ?? 0;
        const last = seen.at(-1)?.sequence ?? 0;
        assert.deepEqual(
          sequences,
          all
            .filter(
              ({ turnId, sequence }) => turnId === "" && sequence >= first && sequence <= last,
            )
            .slice(0, sequences.length)
            .map(({ sequence }) => sequence),
        );
      }),
      { numRuns: 200 },
    );
  });
});
