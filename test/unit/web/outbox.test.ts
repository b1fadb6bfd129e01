import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { type ChatClient, TurnError } from "../../../src/client/client.ts";
import type { ChatResponse } from "../../../src/gen/chat/chat_pb.ts";
import { createOutbox } from "../../../web/src/session/outbox.ts";
import type { OutboxEntry } from "../../../web/src/session/outbox-entry.ts";
import { emptyView } from "../../../web/src/session/session-view.ts";
import { createScript } from "./events.ts";

type Sent = {
  text: string;
  requestId: string;
  sessionId: string;
  tell(event: ChatResponse): void;
  fail(error: unknown): void;
};

/** A client whose turns the test answers. */
function createFakes() {
  const sent: Sent[] = [];
  const cancelled: string[] = [];
  const kept = new Map<string, string>();
  const send = (sessionId: string) => (text: string, options: { requestId?: string }) => {
    const { promise, resolve, reject } = Promise.withResolvers<ChatResponse>();
    const requestId = options.requestId ?? "";
    sent.push({ text, requestId, sessionId, tell: resolve, fail: reject });
    async function* events() {
      yield await promise;
    }
    const cancel = async () => void cancelled.push(requestId);
    return { requestId, sessionId: sessionId || "opened", events: events(), cancel };
  };
  const chat = {
    send: send(""),
    session: (id: string) => ({
      send: send(id),
      cancelTurn: async ({ requestId = "" }) => void cancelled.push(`${id} ${requestId}`),
    }),
  } as unknown as Pick<ChatClient, "send" | "session">;
  const opened: OutboxEntry[] = [];
  const store = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => void kept.set(name, text),
    removeItem: (name: string) => void kept.delete(name),
  };
  let ids = 0;
  const open = () =>
    createOutbox({
      chat,
      tabStream: { borrow: () => () => undefined },
      store,
      newRequestId: () => `id-${++ids}`,
      onOpened: (entry) => void opened.push(entry),
    });
  return { sent, cancelled, kept, opened, open };
}

const settled = () => new Promise(setImmediate);

function refusal(outcome: "refused" | "unknown"): TurnError {
  const ids = { requestId: "", sessionId: "", turnId: "" };
  return new TurnError(outcome, new ConnectError("no", Code.Unavailable), ids);
}

test("an entry stays until the view has come to its first event", async () => {
  const { sent, open } = createFakes();
  const script = createScript();
  const outbox = open();
  outbox.send({ sessionId: "s", text: "Hi" });
  assert.deepEqual(
    outbox.entries.get().map(({ state }) => state),
    ["sending"],
  );
  sent[0]?.tell(script.status("a"));
  await settled();
  assert.deepEqual(
    outbox.entries.get().map(({ state }) => state),
    ["sent"],
  );
  outbox.settle("s", { ...emptyView, sequence: 0n });
  assert.equal(outbox.entries.get().length, 1);
  outbox.settle("other", { ...emptyView, sequence: 9n });
  assert.equal(outbox.entries.get().length, 1);
  outbox.settle("s", { ...emptyView, sequence: 1n });
  assert.equal(outbox.entries.get().length, 0);
});

test("a message without a session opens one, which is told once", async () => {
  const { sent, opened, open } = createFakes();
  const outbox = open();
  outbox.send({ text: "Hi" });
  sent[0]?.tell(createScript().status("a"));
  await settled();
  assert.deepEqual(
    opened.map(({ sessionId, text }) => [sessionId, text]),
    [["opened", "Hi"]],
  );
});

test("the messages of one new chat go to one session, those of another to another", async () => {
  const { sent, opened, open } = createFakes();
  const outbox = open();
  outbox.send({ newChatId: "a", text: "a one" });
  outbox.send({ newChatId: "a", text: "a two", modelId: "m" });
  outbox.send({ newChatId: "b", text: "b one" });
  const told = () => sent.map(({ sessionId, text }) => [sessionId, text]);
  assert.deepEqual(told(), [
    ["", "a one"],
    ["", "b one"],
  ]);
  sent[0]?.tell(createScript().status("a"));
  await settled();
  assert.deepEqual(told().slice(2), [["opened", "a two"]]);
  assert.equal(opened.length, 1);
  assert.equal(outbox.sessionOf("a"), "opened");
  outbox.send({ newChatId: "a", text: "a three" });
  sent[2]?.tell(createScript().status("a"));
  await settled();
  assert.deepEqual(told().slice(3), [["opened", "a three"]]);
});

test("the messages of a session go one after another, whatever becomes of each", async () => {
  const { sent, cancelled, open } = createFakes();
  const outbox = open();
  const [, , third = ""] = ["one", "two", "three", "four", "five"].map((text) =>
    outbox.send({ sessionId: "s", text }),
  );
  outbox.send({ sessionId: "other", text: "elsewhere" });
  const told = () => sent.map(({ text }) => text);
  assert.deepEqual(told(), ["one", "elsewhere"]);
  sent[0]?.tell(createScript().status("a"));
  await settled();
  assert.deepEqual(told().slice(2), ["two"]);
  await outbox.cancel(third);
  sent[2]?.fail(refusal("refused"));
  await settled();
  assert.deepEqual(told().slice(3), ["four"]);
  sent[3]?.fail(refusal("unknown"));
  await settled();
  assert.deepEqual(told().slice(4), ["five"]);
  assert.deepEqual(cancelled, [], "what was never sent needs no cancelling");
});

test("when what was to open a chat is dropped, the next message opens it", async () => {
  const { sent, open } = createFakes();
  const outbox = open();
  const first = outbox.send({ newChatId: "a", text: "one" });
  outbox.send({ newChatId: "a", text: "two" });
  sent[0]?.fail(refusal("refused"));
  await settled();
  assert.equal(sent.length, 1, "what waits does so while the first may be sent again");
  outbox.discard(first);
  assert.deepEqual(
    sent.map(({ sessionId, text }) => [sessionId, text]),
    [
      ["", "one"],
      ["", "two"],
    ],
  );
});

test("a page that is loaded again sends the messages of a new chat in their order", async () => {
  const fakes = createFakes();
  const outbox = fakes.open();
  outbox.send({ newChatId: "a", text: "one" });
  outbox.send({ newChatId: "a", text: "two" });
  fakes.sent.length = 0;
  fakes.open();
  assert.deepEqual(
    fakes.sent.map(({ text }) => text),
    ["one"],
  );
  fakes.sent[0]?.tell(createScript().status("a"));
  await settled();
  assert.deepEqual(
    fakes.sent.map(({ sessionId, text }) => [sessionId, text]),
    [
      ["", "one"],
      ["opened", "two"],
    ],
  );
});

test("what is sent again keeps its request_id, whatever became of it before", async () => {
  const { sent, open } = createFakes();
  const outbox = open();
  const requestId = outbox.send({ sessionId: "s", text: "Hi" });
  for (const outcome of ["unknown", "refused"] as const) {
    sent.at(-1)?.fail(refusal(outcome));
    await settled();
    assert.equal(outbox.entries.get()[0]?.state, outcome);
    outbox.sendAgain(requestId);
    outbox.sendAgain(requestId);
  }
  assert.deepEqual(
    sent.map((each) => each.requestId),
    ["id-1", "id-1", "id-1"],
  );
});

test("a page that is loaded again sends what it had not heard of, and nothing else", async () => {
  const fakes = createFakes();
  const outbox = fakes.open();
  outbox.send({ sessionId: "s", text: "heard" });
  outbox.send({ sessionId: "s", text: "not heard" });
  outbox.send({ sessionId: "s", text: "refused" });
  fakes.sent[0]?.tell(createScript().status("a"));
  fakes.sent[2]?.fail(refusal("refused"));
  await settled();
  fakes.sent.length = 0;
  fakes.open();
  assert.deepEqual(
    fakes.sent.map(({ text, requestId }) => [text, requestId]),
    [["not heard", "id-2"]],
  );
});

test("stopping cancels the turn by the request, sent or on its way", async () => {
  const { sent, cancelled, open } = createFakes();
  const outbox = open();
  const first = outbox.send({ sessionId: "s", text: "one" });
  await outbox.cancel(first);
  const second = outbox.send({ sessionId: "s", text: "two" });
  sent[1]?.tell(createScript().status("a"));
  await settled();
  await outbox.cancel(second);
  assert.deepEqual(cancelled, ["id-1", "s id-2"]);
  assert.deepEqual(outbox.entries.get(), []);
});

test("a broken record of the last page is no obstacle", () => {
  const { kept, sent, open } = createFakes();
  kept.set("chatwire.outbox", "{not json");
  assert.deepEqual(open().entries.get(), []);
  assert.equal(sent.length, 0);
});
