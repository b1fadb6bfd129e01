import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Departure } from "../../../src/chat/call.ts";
import { createReadership } from "../../../src/chat/readership.ts";
import type { OnDisconnect } from "../../../src/chat/turn.ts";
import { createCall } from "../../support/calls.ts";
import { createFakeTimers } from "../../support/fake-timers.ts";
import { settle } from "../../support/loops.ts";

const graceMs = 30_000;

describe("a turn with on_disconnect GRACE", () => {
  for (const onDisconnect of ["grace", undefined] as const) {
    it(`is cancelled when nobody has read it for the grace (${onDisconnect})`, async (t) => {
      const { readership, timers, cancelled } = open(t, onDisconnect);
      const call = createCall();
      readership.join(call, false);
      timers.tick(graceMs * 2);
      call.lose();
      await settle();
      timers.tick(graceMs - 1);
      assert.equal(cancelled(), 0);
      timers.tick(1);
      assert.equal(cancelled(), 1);
    });
  }

  it("lives on while one of its calls is there, or somebody has joined it in the grace", async (t) => {
    const { readership, timers, cancelled } = open(t, "grace");
    const [first, second, third] = [createCall(), createCall(), createCall()];
    readership.join(first, false);
    readership.join(second, false);
    first.lose();
    await settle();
    timers.tick(graceMs * 2);
    second.lose();
    await settle();
    timers.tick(graceMs - 1);
    readership.join(third, false);
    timers.tick(graceMs * 2);
    assert.deepEqual([cancelled(), timers.running()], [0, 0]);
  });

  it("counts watchers, and its grace starts again each time the last of them leaves", async (t) => {
    const { readership, timers, cancelled, setWatchers } = open(t, "grace");
    setWatchers(1);
    const call = createCall();
    readership.join(call, false);
    call.lose();
    await settle();
    timers.tick(graceMs * 2);
    setWatchers(0);
    readership.review();
    timers.tick(graceMs - 1);
    setWatchers(2);
    readership.review();
    timers.tick(graceMs * 2);
    setWatchers(1);
    readership.review();
    timers.tick(graceMs * 2);
    setWatchers(0);
    readership.review();
    timers.tick(graceMs - 1);
    assert.equal(cancelled(), 0);
    timers.tick(1);
    assert.equal(cancelled(), 1);
  });

  it("has its grace after a restart, when it has no reader yet", (t) => {
    const { readership, timers, cancelled } = open(t, "grace");
    readership.review();
    timers.tick(graceMs);
    assert.equal(cancelled(), 1);
  });
});

describe("a turn with on_disconnect CONTINUE", () => {
  it("outlives its calls, its watchers and a restart", async (t) => {
    const { readership, timers, cancelled } = open(t, "continue");
    const call = createCall();
    readership.review();
    readership.join(call, false);
    call.lose();
    await settle();
    readership.review();
    assert.deepEqual([timers.started(), cancelled()], [0, 0]);
  });
});

describe("a turn with on_disconnect CANCEL", () => {
  it("is cancelled at once when its last call is lost, watched or not", async (t) => {
    const { readership, cancelled, setWatchers } = open(t, "cancel");
    setWatchers(1);
    const [first, second] = [createCall(), createCall()];
    readership.join(first, false);
    readership.join(second, false);
    first.lose();
    await settle();
    assert.equal(cancelled(), 0);
    second.lose();
    await settle();
    assert.equal(cancelled(), 1);
  });

  it("has a grace after a restart: it had no call that could be lost", async (t) => {
    const { readership, timers, cancelled } = open(t, "cancel");
    readership.review();
    timers.tick(graceMs - 1);
    assert.equal(cancelled(), 0);
    const call = createCall();
    readership.join(call, false);
    call.lose();
    await settle();
    assert.equal(cancelled(), 1);
  });
});

describe("a call that decides", () => {
  it("cancels the turn by cancelling, whoever else reads it, unless the turn's own request said otherwise", async (t) => {
    for (const onDisconnect of ["grace", "continue", "cancel", undefined] as const) {
      const { readership, cancelled, setWatchers } = open(t, onDisconnect);
      setWatchers(1);
      const call = createCall();
      readership.join(createCall(), false);
      readership.join(call, true);
      call.cancel();
      await settle();
      assert.equal(cancelled(), onDisconnect === undefined ? 1 : 0, String(onDisconnect));
    }
  });

  it("does not cancel it by being lost, nor does the cancelling of one that does not decide", async (t) => {
    const { readership, timers, cancelled } = open(t, undefined);
    const [lost, other] = [createCall(), createCall()];
    readership.join(lost, true);
    readership.join(other, false);
    lost.lose();
    other.cancel();
    await settle();
    assert.deepEqual([cancelled(), timers.running()], [0, 1]);
  });

  it("was gone before it joined: its departure counts all the same", async (t) => {
    const { readership, timers, cancelled } = open(t, undefined);
    const [gone, lost] = [createCall(), createCall()];
    gone.cancel();
    lost.lose();
    readership.join(lost, true);
    await settle();
    assert.deepEqual([cancelled(), timers.running()], [0, 1]);
    readership.join(gone, true);
    await settle();
    assert.equal(cancelled(), 1);
  });

  it("still reads while it is not known what it meant", async (t) => {
    const { readership, timers } = open(t, undefined);
    const { promise, resolve } = Promise.withResolvers<Departure>();
    const call = { signal: AbortSignal.abort(), departure: () => promise };
    readership.join(call, true);
    await settle();
    assert.equal(timers.running(), 0);
    resolve("lost");
    await settle();
    assert.equal(timers.running(), 1);
  });
});

describe("while the server drains", () => {
  it("the loss of the last call ends no turn: the server itself sends its callers away", async (t) => {
    for (const onDisconnect of ["grace", "cancel", undefined] as const) {
      const { readership, timers, cancelled, drain } = open(t, onDisconnect);
      const call = createCall();
      readership.join(call, true);
      drain();
      call.lose();
      await settle();
      assert.deepEqual([cancelled(), timers.running()], [0, 0]);
    }
  });

  it("a call that decides still cancels its turn", async (t) => {
    const { readership, cancelled, drain } = open(t, undefined);
    const call = createCall();
    readership.join(call, true);
    drain();
    call.cancel();
    await settle();
    assert.equal(cancelled(), 1);
  });
});

describe("the readership of a turn", () => {
  it("counts a call once, however often it joins", async (t) => {
    const { readership, timers } = open(t, "grace");
    const call = createCall();
    readership.join(call, false);
    readership.join(call, false);
    assert.equal(call.listeners(), 1);
    call.lose();
    await settle();
    assert.equal(timers.running(), 1);
  });

  it("lets go of calls and timers when the turn is over, and cancels it no more", async (t) => {
    const { readership, timers, cancelled } = open(t, "cancel");
    const [first, second, late] = [createCall(), createCall(), createCall()];
    readership.join(first, true);
    readership.join(second, true);
    first.cancel();
    readership.end();
    await settle();
    second.cancel();
    readership.join(late, true);
    readership.review();
    await settle();
    assert.deepEqual([cancelled(), second.listeners(), late.listeners()], [0, 0, 0]);
    assert.equal(timers.running(), 0);
  });
});

function open(t: TestContext, onDisconnect: OnDisconnect | undefined) {
  const timers = createFakeTimers(t);
  const cancel = t.mock.fn();
  let watchers = 0;
  let isDraining = false;
  const readership = createReadership({
    onDisconnect,
    graceMs,
    watchers: () => watchers,
    isDraining: () => isDraining,
    cancel,
  });
  return {
    readership,
    timers,
    drain() {
      isDraining = true;
    },
    cancelled: () => cancel.mock.callCount(),
    setWatchers(count: number) {
      watchers = count;
    },
  };
}
