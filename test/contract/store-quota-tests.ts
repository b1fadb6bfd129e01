import assert from "node:assert/strict";
import { test } from "node:test";
import type { NewFork, Store } from "../../src/chat/store.ts";
import { createFakeClock } from "./event-log-samples.ts";
import {
  alice,
  bob,
  keyOf,
  newTurn,
  noUsage,
  sampleEnd,
  sampleSession,
  sampleTurn,
} from "./store-samples.ts";
import { acquire, addTurn, type CreateStore, notFound, run, staleFence } from "./store-steps.ts";

const dayMs = 24 * 60 * 60 * 1_000;

const tooMany = { kind: "resource_exhausted", reason: "TOO_MANY_SESSIONS" };

/** What a caller is told, and that waiting helps nothing. */
function tooManyOf(sessionsMax: number) {
  const quotas = [
    { subject: "SESSIONS_PER_PRINCIPAL_MAX", description: `${sessionsMax} sessions` },
  ];
  return { ...tooMany, retryable: false, retryAfterMs: undefined, quotas };
}

function forkOf(sessionId: string, fields: Partial<NewFork> = {}): NewFork {
  let copies = 0;
  return {
    principal: alice,
    fromSessionId: "s1",
    upToMessageId: "",
    sessionId,
    title: "fork",
    createdAt: 5_000,
    newMessageId() {
      copies += 1;
      return `${sessionId}-${copies}`;
    },
    ...fields,
  };
}

/** A turn that opens the session of that id. */
function openingTurn(sessionId: string, name: string, sessionsMax: number, requestId?: string) {
  const session = sampleSession({ sessionId });
  const requestKey = requestId === undefined ? {} : { requestKey: keyOf(requestId) };
  return newTurn(sampleTurn(name, { sessionId }), { session, sessionsMax, ...requestKey });
}

export function sessionQuotaTests(create: CreateStore): void {
  test("whoever has as many sessions as it may gets no more, however they are made", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession(), undefined, 2);
    await store.createTurn(openingTurn("s2", "t2", 2));
    const session = sampleSession({ sessionId: "s3" });
    await assert.rejects(store.createSession(session, keyOf("r1"), 2), tooManyOf(2));
    await assert.rejects(store.createTurn(openingTurn("s3", "t3", 2, "r2")), tooManyOf(2));
    const fork = forkOf("s3", { requestKey: keyOf("r3"), sessionsMax: 2 });
    await assert.rejects(store.forkSession(fork), tooManyOf(2));
    assert.equal(await store.countSessions(alice), 2);
    assert.equal(await store.getSession(alice, "s3"), undefined);
    assert.equal(await store.getTurn(alice, "s3", "t3"), undefined);
    assert.equal(await store.findTurnByRequestId(alice, "r2"), undefined);
    await store.deleteSession(alice, "s2", 9_000);
    assert.equal((await store.createSession(session, keyOf("r1"), 2)).sessionId, "s3");
    await assert.rejects(store.createTurn(openingTurn("s4", "t3", 2, "r2")), tooMany);
    await store.deleteSession(alice, "s3", 9_000);
    await addTurn(store, sampleTurn("t3", { sessionId: "s4" }), openingTurn("s4", "t3", 2, "r2"));
    await store.deleteSession(alice, "s4", 9_000);
    const made = await store.forkSession({ ...fork, sessionId: "s5" });
    assert.equal(made.sessionId, "s5");
  });

  test("a repetition is never refused", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession(), keyOf("r1"), 3);
    await store.createTurn(openingTurn("s2", "t2", 3, "r2"));
    await store.forkSession(forkOf("s3", { requestKey: keyOf("r3"), sessionsMax: 3 }));
    for (const sessionsMax of [3, 0]) {
      const fresh = sampleSession({ sessionId: "s4" });
      const byKey = await store.createSession(fresh, keyOf("r1"), sessionsMax);
      assert.equal(byKey.sessionId, "s1");
      const byId = await store.createSession(sampleSession(), undefined, sessionsMax);
      assert.equal(byId.sessionId, "s1");
      const repeated = { outcome: "repeated", turnId: "t2", sessionId: "s2" };
      const turns = [
        openingTurn("s5", "t5", sessionsMax, "r2"),
        openingTurn("s2", "t2", sessionsMax),
      ];
      for (const turn of turns) assert.deepEqual(await store.createTurn(turn), repeated);
      const fork = forkOf("s6", { requestKey: keyOf("r3"), sessionsMax });
      assert.equal((await store.forkSession(fork)).sessionId, "s3");
    }
    assert.equal(await store.countSessions(alice), 3);
  });

  test("a turn in a session that is there is not refused", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession());
    await addTurn(store, sampleTurn("t1"), { sessionsMax: 1 });
    await addTurn(store, sampleTurn("t2"), { session: sampleSession(), sessionsMax: 1 });
    assert.deepEqual((await store.getSession(alice, "s1"))?.queuedTurnIds, ["t1", "t2"]);
  });

  test("another principal's sessions do not count, none are allowed by 0, any number without a limit", async (t) => {
    const store = await create(t);
    for (const sessionId of ["s1", "s2"]) await store.createSession(sampleSession({ sessionId }));
    const session = sampleSession({ sessionId: "s3", principal: bob });
    await assert.rejects(store.createSession(session, undefined, 0), tooManyOf(0));
    await store.createSession(session, undefined, 1);
    assert.equal(await store.countSessions(bob), 1);
    await store.createSession(sampleSession({ sessionId: "s4" }));
    await assert.rejects(
      store.createSession(sampleSession({ sessionId: "s5" }), undefined, 2),
      tooManyOf(2),
    );
  });

  test("of creations that race as many pass as there is room for", async (t) => {
    const store = await create(t);
    const racing = ["s1", "s2", "s3", "s4", "s5"].map((sessionId, index) =>
      index % 2 === 0
        ? store.createSession(sampleSession({ sessionId }), undefined, 2)
        : store.createTurn(openingTurn(sessionId, `t-${sessionId}`, 2)),
    );
    const outcomes = await Promise.allSettled(racing);
    const refused = outcomes.filter(({ status }) => status === "rejected");
    assert.equal(refused.length, 3);
    assert.equal(await store.countSessions(alice), 2);
  });

  test("a fork of a session that is not there is not found, also where there is no room", async (t) => {
    const store = await create(t);
    await assert.rejects(store.forkSession(forkOf("s2", { sessionsMax: 0 })), notFound);
  });
}

export function tokenQuotaTests(create: CreateStore): void {
  /** Starts a turn of session s1, and gives what ends it. */
  async function begin(store: Store, name: string, endedAt: number, inputTokens = 10) {
    if (!(await store.getSession(alice, "s1"))) await store.createSession(sampleSession());
    await addTurn(store, sampleTurn(name));
    const { fence } = await acquire(store);
    return sampleEnd(name, fence, { endedAt, usage: { ...noUsage, inputTokens } });
  }

  test("a day's tokens are those in, those out and those thought; cached ones are among those in", async (t) => {
    const store = await create(t);
    assert.equal(await store.tokensUsed(alice, dayMs), 0);
    const usage = {
      inputTokens: 1_000,
      outputTokens: 200,
      thinkingTokens: 30,
      cachedTokens: 900,
      totalTokens: 5_000,
      estimated: true,
    };
    await addTurn(store, sampleTurn("t1"), { session: sampleSession() });
    assert.equal(await store.tokensUsed(alice, dayMs), 0);
    await run(store, "t1", { endedAt: dayMs, usage });
    assert.equal(await store.tokensUsed(alice, dayMs), 1_230);
    await addTurn(store, sampleTurn("t2"));
    await run(store, "t2", { endedAt: dayMs + 1, sequence: 8, finishReason: "failed", usage });
    assert.equal(await store.tokensUsed(alice, dayMs), 2_460);
    assert.equal(await store.tokensUsed(bob, dayMs), 0);
  });

  test("an end that is told again counts once, and one that is refused does not", async (t) => {
    const store = await create(t);
    const end = await begin(store, "t1", dayMs);
    await assert.rejects(store.endTurn({ ...end, fence: end.fence + 1 }), staleFence);
    assert.equal(await store.tokensUsed(alice, dayMs), 0);
    await store.endTurn(end);
    await store.endTurn(end);
    await store.endTurn({ ...end, usage: { ...noUsage, outputTokens: 5 }, endedAt: 2 * dayMs });
    assert.equal(await store.tokensUsed(alice, dayMs), 10);
    assert.equal(await store.tokensUsed(alice, 2 * dayMs), 0);
  });

  test("a turn's tokens are those of the day on which it ended, in UTC", async (t) => {
    // Days that are long over are forgotten in the background.
    const clock = createFakeClock();
    const store = await create(t, clock);
    const midnight = clock.now() - (clock.now() % dayMs);
    await store.endTurn(await begin(store, "t1", midnight - 1, 1));
    await store.endTurn({ ...(await begin(store, "t2", midnight, 20)), sequence: 8 });
    await store.endTurn({ ...(await begin(store, "t3", midnight + dayMs - 1, 300)), sequence: 12 });
    for (const [at, tokens] of [
      [midnight - dayMs - 1, 0],
      [midnight - dayMs, 1],
      [midnight - 1, 1],
      [midnight, 320],
      [midnight + dayMs - 1, 320],
      [midnight + dayMs, 0],
    ] as const) {
      assert.equal(await store.tokensUsed(alice, at), tokens, String(at - midnight));
    }
  });

  test("a session that is deleted takes nothing back, and a fork counts nothing", async (t) => {
    const clock = createFakeClock();
    const store = await create(t, clock);
    await store.endTurn(await begin(store, "t1", clock.now()));
    await store.forkSession(forkOf("s2"));
    assert.equal(await store.tokensUsed(alice, clock.now()), 10);
    for (const sessionId of ["s1", "s2"]) {
      await store.deleteSession(alice, sessionId, clock.now());
      await store.forgetDeleted(sessionId);
    }
    await store.tidy();
    assert.equal(await store.tokensUsed(alice, clock.now()), 10);
  });

  test("days that are over for some days are forgotten, the latest are not", async (t) => {
    const clock = createFakeClock();
    const store = await create(t, clock);
    const today = clock.now();
    const principals = Array.from({ length: 40 }, (_item, index) => `principal-${index}`);
    for (const principal of principals) {
      const named = { sessionId: `s-${principal}`, principal };
      const turn = sampleTurn(`t-${principal}`, named);
      await addTurn(store, turn, { session: sampleSession(named) });
      const usage = { ...noUsage, outputTokens: 7 };
      await run(store, turn.turnId, { sessionId: named.sessionId, endedAt: today, usage });
    }
    const used = () => Promise.all(principals.map((one) => store.tokensUsed(one, today)));
    clock.advance(2 * dayMs);
    await store.endTurn(await begin(store, "t1", clock.now()));
    await store.tidy();
    assert.deepEqual(new Set(await used()), new Set([7]));
    clock.advance(dayMs);
    await store.tidy();
    assert.deepEqual(new Set(await used()), new Set([0]));
    assert.equal(await store.tokensUsed(alice, clock.now() - dayMs), 10);
  });
}
