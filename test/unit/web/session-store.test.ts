import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ChatClient, SessionItem } from "../../../src/client/client.ts";
import type { ChatResponse } from "../../../src/gen/chat/chat_pb.ts";
import { rowsOf } from "../../../web/src/chat/rows.ts";
import { createSessionStore } from "../../../web/src/session/session-store.ts";
import { createScript } from "./events.ts";

const settled = () => new Promise(setImmediate);

/** A session whose one message failed before its reply, and whose stream the test writes. */
function createFakes() {
  const script = createScript();
  const question = script.question("a");
  const events = [
    script.status("a", question),
    script.fail("a", "MODEL_UNAVAILABLE"),
    script.updateOf("", "session_changed", { fields: ["title"] }),
  ];
  const watches: { after: bigint; give(item: SessionItem): void; fail(error: unknown): void }[] =
    [];
  async function* watch({ afterSequence = 0n, signal }: WatchOptions) {
    let next = Promise.withResolvers<SessionItem | undefined>();
    const items: SessionItem[] = [];
    signal.addEventListener("abort", () => next.resolve(undefined));
    watches.push({
      after: afterSequence,
      give(item) {
        items.push(item);
        next.resolve(undefined);
      },
      fail: (error) => next.reject(error),
    });
    while (!signal.aborted) {
      yield* items.splice(0);
      next = Promise.withResolvers();
      if (items.length === 0) await next.promise;
    }
  }
  const session = {
    listMessages: async () => ({
      messages: [question],
      nextPageToken: "",
      epoch: 1,
      lastSequence: 3n,
    }),
    getInfo: async () => ({ runningTurnId: "", lastSequence: 3n, model: "m" }),
    watch,
  };
  const store = createSessionStore("s", {
    chat: { session: () => session } as unknown as Pick<ChatClient, "session">,
    schedule: (callback) => callback(),
    onConnection: () => undefined,
    onListChange: () => undefined,
  });
  const kinds = () => rowsOf(store.state.get().view, []).map(({ kind }) => kind);
  const tell = (event: ChatResponse | undefined): SessionItem => {
    assert.ok(event !== undefined);
    return { type: "event", event };
  };
  return { store, script, events, watches, kinds, tell, question };
}

type WatchOptions = { afterSequence?: bigint; signal: AbortSignal };

test("why there is no reply is told by the stream; until then nothing is said", async () => {
  const { store, events, watches, kinds, tell } = createFakes();
  const leave = new AbortController();
  const reading = store.read(leave.signal);
  await settled();
  assert.equal(watches[0]?.after, 0n);
  assert.deepEqual(kinds(), ["message"]);
  for (const event of events) watches[0]?.give(tell(event));
  await settled();
  assert.deepEqual(kinds(), ["message"]);
  watches[0]?.give({ type: "live" });
  await settled();
  assert.deepEqual(kinds(), ["message", "failed"]);
  assert.equal(store.state.get().view.sequence, 3n);
  leave.abort();
  await reading;
});

test("a stream that was cut before it had told that is asked once more, and then goes on behind it", async () => {
  const { store, events, watches, kinds, tell } = createFakes();
  for (const round of [0, 1, 2]) {
    const leave = new AbortController();
    const reading = store.read(leave.signal);
    await settled();
    assert.equal(watches[round]?.after, round < 2 ? 0n : 3n);
    if (round < 2) watches[round]?.give(tell(events[0]));
    if (round === 1) {
      for (const event of events.slice(1)) watches[round]?.give(tell(event));
      watches[round]?.give({ type: "live" });
    }
    await settled();
    leave.abort();
    await reading;
  }
  assert.deepEqual(kinds(), ["message", "failed"]);
});

test("what happens after the listing comes after what it left out", async () => {
  const { store, script, events, watches, kinds, tell, question } = createFakes();
  const leave = new AbortController();
  const reading = store.read(leave.signal);
  await settled();
  for (const event of [...events, script.status("b", question)]) watches[0]?.give(tell(event));
  await settled();
  assert.deepEqual(kinds(), ["message", "waiting"]);
  watches[0]?.give({ type: "live" });
  watches[0]?.give(tell(script.fail("b", "MODEL_RATE_LIMITED")));
  await settled();
  assert.deepEqual(kinds(), ["message", "failed"]);
  assert.equal(store.state.get().view.failed?.errorReason, "MODEL_RATE_LIMITED");
  leave.abort();
  await reading;
});

test("a stream that cannot be read leaves what is known without a reason", async () => {
  const { store, watches, kinds } = createFakes();
  const reading = store.read(new AbortController().signal);
  await settled();
  watches[0]?.fail(new ConnectError("no", Code.PermissionDenied));
  await reading;
  assert.equal(store.state.get().status, "failed");
  assert.deepEqual(kinds(), ["message", "unanswered"]);
});
