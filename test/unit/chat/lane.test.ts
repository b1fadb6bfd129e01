import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createLane } from "../../../src/chat/lane.ts";
import { createLiveTurn, type LiveTurn } from "../../../src/chat/live-turn.ts";
import { createCall } from "../../support/calls.ts";
import { createTurn, unattended } from "../../support/engine.ts";
import { settle } from "../../support/loops.ts";

describe("a lane", () => {
  it("does its work one piece after another; what one throws concerns its caller alone", async (t) => {
    const { lane } = open(t);
    const done: string[] = [];
    const { promise: goOn, resolve } = Promise.withResolvers<void>();
    const first = lane.serially(async () => {
      await goOn;
      done.push("first");
      throw new Error("first");
    });
    const second = lane.serially(async () => {
      done.push("second");
      return 2;
    });
    await settle();
    assert.deepEqual(done, []);
    resolve();
    await assert.rejects(first, { message: "first" });
    assert.equal(await second, 2);
    assert.deepEqual(done, ["first", "second"]);
  });

  it("finds the turn that runs, also without an id, and those that wait by theirs", (t) => {
    const { lane } = open(t);
    assert.equal(lane.find(""), undefined);
    const [running, waiting] = [liveTurn("running"), liveTurn("waiting")];
    lane.running = running;
    lane.queued.push(waiting);
    assert.equal(lane.find(""), running);
    assert.equal(lane.find("running"), running);
    assert.equal(lane.find("waiting"), waiting);
    assert.equal(lane.find("other"), undefined);
    assert.equal(lane.isIdle(), false);
  });

  it("is forgotten once when nothing uses it any more, and not before", async (t) => {
    const { lane, unused } = open(t);
    const call = createCall();
    const listening = new AbortController();
    lane.watch(call);
    lane.updates.listen({
      signal: listening.signal,
      bufferedMax: 1,
      onOverflow: () => new Error("full"),
    });
    lane.queued.push(liveTurn("waiting"));
    const leave = lane.read();
    const { promise: goOn, resolve } = Promise.withResolvers<void>();
    const work = lane.serially(() => goOn);
    for (const stop of [
      () => call.lose(),
      () => listening.abort(),
      () => lane.queued.pop(),
      leave,
      resolve,
    ]) {
      lane.checkUnused();
      await settle();
      assert.equal(unused(), 0);
      stop();
    }
    await work;
    await settle();
    assert.equal(unused(), 1);
  });

  it("can be used by whoever has just looked it up, before it is forgotten", async (t) => {
    const { lane, unused } = open(t);
    lane.checkUnused();
    const call = createCall();
    await Promise.resolve();
    lane.watch(call);
    await settle();
    assert.equal(unused(), 0);
    call.lose();
    await settle();
    assert.equal(unused(), 1);
  });

  it("counts watchers until their calls are over, and has its turns look at it", (t) => {
    const { lane } = open(t);
    const reviews: string[] = [];
    lane.running = reviewed("running", reviews);
    lane.queued.push(reviewed("waiting", reviews));
    const call = createCall();
    lane.watch(call);
    assert.equal(lane.watchers(), 1);
    call.lose();
    assert.equal(lane.watchers(), 0);
    assert.deepEqual(reviews, ["running", "waiting", "running", "waiting"]);
    const gone = createCall();
    gone.lose();
    lane.watch(gone);
    assert.equal(lane.watchers(), 0);
    lane.running = undefined;
    lane.queued.length = 0;
  });

  it("says when its readers are gone, each counted once", async (t) => {
    const { lane } = open(t);
    const leaves = [lane.read(), lane.read()];
    let gone = false;
    const waiting = lane.readersGone(60_000).then(() => {
      gone = true;
    });
    leaves[0]?.();
    leaves[0]?.();
    await settle();
    assert.equal(gone, false);
    leaves[1]?.();
    await waiting;
  });

  it("tells whoever listens", async (t) => {
    const { lane } = open(t);
    const listening = new AbortController();
    const options = {
      signal: listening.signal,
      bufferedMax: 1,
      onOverflow: () => new Error("full"),
    };
    const updates = lane.updates.listen(options)[Symbol.asyncIterator]();
    lane.tell("typing_started", { a: 1 });
    assert.deepEqual((await updates.next()).value, {
      type: "live_update",
      sessionId: "session",
      updateType: "typing_started",
      data: { a: 1 },
    });
    listening.abort();
  });
});

function open(t: TestContext) {
  const onUnused = t.mock.fn();
  const lane = createLane({ sessionId: "session", principal: "anonymous", epoch: 1 }, onUnused);
  return { lane, unused: () => onUnused.mock.callCount() };
}

function liveTurn(turnId: string): LiveTurn {
  const turn = createTurn({ turnId, onDisconnect: "continue" });
  return createLiveTurn({ turn, ...unattended });
}

/** A turn that says when it is to look who reads it. */
function reviewed(turnId: string, reviews: string[]): LiveTurn {
  const live = liveTurn(turnId);
  return { ...live, readership: { ...live.readership, review: () => void reviews.push(turnId) } };
}
