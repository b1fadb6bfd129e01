import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { ChatResponse_Type as EventType } from "../../../src/gen/chat/chat_pb.ts";
import { type FakeSession, refusal } from "../../support/fake-chat.ts";
import { update } from "../../support/fake-replica.ts";
import { createMemoryClient, inWords, isEvent, takeUntil } from "./memory-client.ts";

const timeout = 10_000;

function append(session: FakeSession, count: number): void {
  for (let index = 0; index < count; index += 1) {
    session.append({ type: EventType.SESSION_UPDATE, updateType: "session_renamed" });
  }
}

test("a watch delivers what was missed, then live, then what happens", { timeout }, async (t) => {
  const { client, chat, clock, changes, note } = createMemoryClient(t);
  const session = chat.openSession("s");
  append(session, 3);
  const watch = client.session("s").watch({ afterSequence: 1n, onConnection: note });
  const items = await takeUntil(watch, ({ type }) => type === "live");
  assert.deepEqual(items.map(inWords), ["2", "3", "live"]);
  append(session, 1);
  assert.deepEqual((await takeUntil(watch, isEvent(4))).map(inWords), ["4"]);
  assert.deepEqual(watch.cursor, { sequence: 4n, epoch: 1 });
  assert.deepEqual(
    changes.map(({ state }) => state),
    ["connecting", "live"],
  );
  await clock.settle();
});

test("a watch asks for nothing before it is read", { timeout }, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  chat.openSession("s");
  const controller = new AbortController();
  client.session("s").watch({ signal: controller.signal });
  await clock.settle();
  assert.equal(server.calls.length, 0);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("a watch whose connection is cut goes on after the last event, by sequence and epoch", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock, faults, changes, note } = createMemoryClient(t);
  append(chat.openSession("s"), 5);
  faults.push({ cutAfter: 3 }, { refused: true }, { cutAfter: 0 });
  const watch = client.session("s").watch({ onConnection: note });
  const items = await clock.run(takeUntil(watch, ({ type }) => type === "live"));
  assert.deepEqual(items.map(inWords), ["1", "2", "3", "4", "5", "live"]);
  const resumed = server.of("watchSession").at(-1)?.request;
  assert.partialDeepStrictEqual(resumed, { afterSequence: 2n, afterEpoch: 1 });
  assert.deepEqual(
    changes.map(({ state }) => state),
    ["connecting", "lost", "connecting", "lost", "connecting", "lost", "connecting", "live"],
  );
});

for (const code of [Code.InvalidArgument, Code.Internal, Code.Unknown, Code.Canceled] as const) {
  test(`a cut that comes as ${Code[code]} is a lost connection`, { timeout }, async (t) => {
    const { client, chat, clock, faults } = createMemoryClient(t);
    append(chat.openSession("s"), 2);
    faults.push({ cutAfter: 2, code }, { refused: true, code });
    const items = takeUntil(client.session("s").watch(), ({ type }) => type === "live");
    assert.deepEqual((await clock.run(items)).map(inWords), ["1", "2", "live"]);
  });
}

test("the waits between attempts grow, are random within their bound, and start again after progress", {
  timeout,
}, async (t) => {
  const { client, chat, clock, faults, changes, note } = createMemoryClient(t, {
    retry: { delayMs: 100, delayMsMax: 500 },
  });
  const session = chat.openSession("s");
  append(session, 1);
  const refused = { refused: true };
  faults.push(refused, refused, refused, refused, { cutAfter: 2 }, refused);
  const watch = client.session("s").watch({ onConnection: note });
  const items = takeUntil(watch, ({ type }) => type === "live");
  await clock.run(items);
  const waits = changes.flatMap((change) => (change.state === "lost" ? [change.retryInMs] : []));
  assert.deepEqual(waits, [50, 100, 200, 250, 50, 100]);
});

test("silence of 2.5 heartbeats is a loss, and heartbeats are none", { timeout }, async (t) => {
  const { client, chat, server, clock, changes, note } = createMemoryClient(t);
  server.heartbeatMs = 1_000;
  append(chat.openSession("s"), 1);
  const watch = client.session("s").watch({ onConnection: note });
  const next = takeUntil(watch, isEvent(2));
  await clock.advance(2_400);
  server.tell({ type: EventType.HEARTBEAT });
  await clock.advance(2_400);
  assert.deepEqual(
    changes.map(({ state }) => state),
    ["connecting", "live"],
  );
  await clock.advance(200);
  assert.partialDeepStrictEqual(changes.at(-1), { state: "lost", retryInMs: 125 });
  await clock.advance(200);
  append(chat.find("s"), 1);
  assert.deepEqual((await next).map(inWords), ["1", "live", "live", "2"]);
});

test("a stream that never begins is given up", { timeout }, async (t) => {
  const { client, chat, clock, faults, changes, note } = createMemoryClient(t, {
    firstEventTimeoutMs: 3_000,
  });
  append(chat.openSession("s"), 1);
  faults.push({ silentAfter: 0 });
  const watch = client.session("s").watch({ onConnection: note });
  const items = takeUntil(watch, isEvent(1));
  await clock.advance(2_999);
  assert.deepEqual(
    changes.map(({ state }) => state),
    ["connecting"],
  );
  await clock.run(items);
  assert.deepEqual(changes.map(({ state }) => state).slice(0, 3), [
    "connecting",
    "lost",
    "connecting",
  ]);
});

test("a wake ends the wait for the next attempt", { timeout }, async (t) => {
  const { client, chat, server, clock, faults } = createMemoryClient(t);
  append(chat.openSession("s"), 1);
  faults.push({ refused: true });
  const items = takeUntil(client.session("s").watch(), isEvent(1));
  await clock.settle();
  assert.equal(server.of("watchSession").length, 0);
  client.wake();
  await items;
  assert.equal(server.of("watchSession").length, 1);
});

test("a wake finds the silence that timers slept through", { timeout }, async (t) => {
  const { client, chat, clock, changes, note } = createMemoryClient(t);
  append(chat.openSession("s"), 1);
  const watch = client.session("s").watch({ onConnection: note });
  await takeUntil(watch, ({ type }) => type === "live");
  const next = takeUntil(watch, isEvent(2));
  await clock.settle();
  clock.sleep(3_600_000);
  await clock.settle();
  assert.equal(changes.at(-1)?.state, "live");
  client.wake();
  await clock.settle();
  assert.equal(changes.at(-1)?.state, "lost");
  append(chat.find("s"), 1);
  assert.deepEqual((await clock.run(next)).map(inWords), ["2"]);
});

test("`draining` moves a watch to another endpoint at once; without one it stays to the end", {
  timeout,
}, async (t) => {
  const { client, chat, replicas, clock, changes, note } = createMemoryClient(t, { servers: 2 });
  const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
  append(chat.openSession("s"), 1);
  const watch = client.session("s").watch({ onConnection: note });
  await takeUntil(watch, ({ type }) => type === "live");
  const rest = takeUntil(watch, isEvent(3));
  first.drain();
  await clock.advance(250);
  assert.equal(first.open(), 0);
  assert.equal(second.open(), 1);
  append(chat.find("s"), 1);
  await clock.settle();
  second.drain();
  await clock.advance(250);
  assert.equal(second.open(), 1);
  append(chat.find("s"), 1);
  assert.deepEqual((await rest).map(inWords), ["live", "2", "3"]);
  const drains = changes.filter(({ state }) => state === "draining");
  assert.deepEqual(drains, [
    { state: "draining", endpoint: "e0", moving: true },
    { state: "draining", endpoint: "e1", moving: false },
  ]);
});

test("UNAVAILABLE goes to another endpoint at once, and RetryInfo is obeyed where there is none", {
  timeout,
}, async (t) => {
  const { client, chat, replicas, clock, changes, note } = createMemoryClient(t, { servers: 2 });
  append(chat.openSession("s"), 1);
  const unavailable = () => refusal(Code.Unavailable, "SERVER_DRAINING", 7_000);
  for (const replica of replicas) replica.refuse("watchSession", unavailable());
  const watch = client.session("s").watch({ onConnection: note });
  await clock.run(takeUntil(watch, isEvent(1)));
  const lost = changes.flatMap((change) =>
    change.state === "lost" ? [[change.endpoint, change.retryInMs]] : [],
  );
  assert.deepEqual(lost, [
    ["e0", 125],
    ["e1", 7_125],
  ]);
});

test("another epoch is a reload: the messages as they are, then the events after them", {
  timeout,
}, async (t) => {
  const { client, chat, clock } = createMemoryClient(t);
  const session = chat.openSession("s");
  append(session, 2);
  session.epoch = 2;
  session.append({ type: EventType.RESPONSE_START, turnId: "t" });
  session.append({ type: EventType.CHUNK, turnId: "t", chunkText: "so far" });
  const watch = client.session("s").watch({ afterSequence: 9n, afterEpoch: 1 });
  const items = await clock.run(takeUntil(watch, ({ type }) => type === "live"));
  assert.deepEqual(items.map(inWords), ["reload epoch after 4", "live"]);
  assert.ok(items[0]?.type === "reload");
  assert.equal(items[0].epoch, 2);
  assert.equal(items[0].messages[0]?.text, "so far");
  session.append({ type: EventType.CHUNK, turnId: "t", chunkText: " and on" });
  assert.deepEqual((await takeUntil(watch, isEvent(5))).map(inWords), ["5"]);
  assert.deepEqual(watch.cursor, { sequence: 5n, epoch: 2 });
});

test("an epoch that changes within a stream is a reload too", { timeout }, async (t) => {
  const { client, chat, clock } = createMemoryClient(t);
  const session = chat.openSession("s");
  append(session, 1);
  const watch = client.session("s").watch();
  await takeUntil(watch, ({ type }) => type === "live");
  session.epoch = 2;
  append(session, 1);
  const items = await clock.run(takeUntil(watch, ({ type }) => type === "live"));
  assert.deepEqual(items.map(inWords), ["reload epoch after 2", "live"]);
});

test("expired events and a cursor in the future are reloads", { timeout }, async (t) => {
  const { client, chat, clock } = createMemoryClient(t);
  const session = chat.openSession("s");
  append(session, 4);
  session.floor = 3n;
  const expired = takeUntil(client.session("s").watch(), ({ type }) => type === "live");
  assert.deepEqual((await clock.run(expired)).map(inWords), ["reload expired after 4", "live"]);
  const ahead = client.session("s").watch({ afterSequence: 8n });
  const items = await clock.run(takeUntil(ahead, ({ type }) => type === "live"));
  assert.deepEqual(items.map(inWords), ["reload ahead after 4", "live"]);
});

test("a server that has less than the cursor and does not say so is found out by `watching`", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  append(chat.openSession("s"), 4);
  const watch = client.session("s").watch();
  await takeUntil(watch, ({ type }) => type === "live");
  server.tell(update("watching", { last_sequence: "3", epoch: 1 }));
  const items = await clock.run(takeUntil(watch, ({ type }) => type === "live"));
  assert.deepEqual(items.map(inWords), ["reload ahead after 4", "live"]);
});

test("a server that refuses the cursor of its own ListMessages is asked at growing intervals", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock, changes, note } = createMemoryClient(t);
  const session = chat.openSession("s");
  append(session, 2);
  const expired = () => refusal(Code.DataLoss, "EVENTS_EXPIRED");
  server.refuse("watchSession", expired(), expired(), expired());
  const watch = client.session("s").watch({ onConnection: note });
  await clock.run(takeUntil(watch, ({ type }) => type === "live"));
  const waits = changes.flatMap((change) => (change.state === "lost" ? [change.retryInMs] : []));
  assert.deepEqual(waits, [125, 250]);
});

test("a reload whose ListMessages fails is tried again", { timeout }, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  append(chat.openSession("s"), 2);
  server.refuse("watchSession", refusal(Code.DataLoss, "EVENTS_EXPIRED"));
  server.refuse("listMessages", refusal(Code.Unavailable, "STORAGE_UNAVAILABLE", 500));
  const items = takeUntil(client.session("s").watch(), ({ type }) => type === "live");
  assert.deepEqual((await clock.run(items)).map(inWords), ["reload expired after 2", "live"]);
});

test("an event that is left out is asked for again; one that never comes is a reload", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  append(chat.openSession("s"), 3);
  let lies = 1;
  server.lie = (event) => {
    if (event.sequence !== 2n || lies === 0) return event;
    lies -= 1;
    return undefined;
  };
  const once = takeUntil(client.session("s").watch(), ({ type }) => type === "live");
  assert.deepEqual((await clock.run(once)).map(inWords), ["1", "2", "3", "live"]);
  lies = Number.POSITIVE_INFINITY;
  const ever = takeUntil(client.session("s").watch(), ({ type }) => type === "live");
  assert.deepEqual((await clock.run(ever)).map(inWords), ["1", "reload missing after 3", "live"]);
});

test("an event that comes twice is delivered once", { timeout }, async (t) => {
  const { client, chat, faults } = createMemoryClient(t);
  append(chat.openSession("s"), 3);
  faults.push({ twice: 4 });
  const items = await takeUntil(client.session("s").watch(), isEvent(3));
  assert.deepEqual(items.map(inWords), ["1", "2", "3"]);
});

test("NOT_FOUND ends a watch with that error, and no attempt follows", { timeout }, async (t) => {
  const { client, server, clock } = createMemoryClient(t);
  const watch = client.session("nowhere").watch();
  await assert.rejects(watch.next(), { code: Code.NotFound });
  assert.equal((await watch.next()).done, true);
  await clock.advance(60_000);
  assert.equal(server.of("watchSession").length, 1);
});

test("a session that is deleted ends its watch without an error, after session_deleted", {
  timeout,
}, async (t) => {
  const { client, chat } = createMemoryClient(t);
  append(chat.openSession("s"), 1);
  const seen: string[] = [];
  for await (const item of client.session("s").watch()) {
    seen.push(inWords(item));
    if (item.type === "live") void client.session("s").delete();
  }
  assert.deepEqual(seen, ["1", "live", "2"]);
});

test("untilIdle ends the watch once nothing runs, also across a cut", { timeout }, async (t) => {
  const { client, chat, clock, faults } = createMemoryClient(t);
  append(chat.openSession("s"), 3);
  faults.push({ cutAfter: 2 });
  const seen: string[] = [];
  const all = (async () => {
    for await (const item of client.session("s").watch({ untilIdle: true })) {
      seen.push(inWords(item));
    }
  })();
  await clock.run(all);
  assert.deepEqual(seen, ["1", "2", "3", "live"]);
});

test("a watch asks for the session list where it is told to, on every connection", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock, faults } = createMemoryClient(t);
  append(chat.openSession("s"), 1);
  faults.push({ cutAfter: 1 });
  const watch = client.session("s").watch({ sessionList: true });
  await clock.run(takeUntil(watch, ({ type }) => type === "live"));
  const other = client.session("s").watch();
  await clock.run(takeUntil(other, ({ type }) => type === "live"));
  const asked = server.of("watchSession").map(({ request }) => request);
  assert.partialDeepStrictEqual(asked, [
    { sessionList: true },
    { sessionList: true },
    { sessionList: false },
  ]);
});

test("a stream that the server ends without an error is a loss", { timeout }, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  append(chat.openSession("s"), 1);
  const watch = client.session("s").watch();
  await takeUntil(watch, ({ type }) => type === "live");
  const next = takeUntil(watch, isEvent(2));
  server.stop();
  await clock.advance(1_000);
  append(chat.find("s"), 1);
  assert.deepEqual((await next).map(inWords), ["live", "2"]);
});

test("`break` ends the call on the server and leaves no timer", { timeout }, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  append(chat.openSession("s"), 2);
  for await (const item of client.session("s").watch()) if (isEvent(1)(item)) break;
  await clock.settle();
  assert.equal(server.open(), 0);
  assert.equal(clock.pending(), 0);
});

test("`return` ends a `next` that waits", { timeout }, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  chat.openSession("s");
  const watch = client.session("s").watch();
  await watch.next();
  const waiting = watch.next();
  await clock.settle();
  await watch.return?.();
  assert.equal((await waiting).done, true);
  await clock.settle();
  assert.equal(server.open(), 0);
});

test("an aborted signal and close end a watch without an error, and leave no listener", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock, changes, note } = createMemoryClient(t);
  chat.openSession("s");
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = client.session("s").watch({ signal, onConnection: note });
  const closed = client.session("s").watch();
  await Promise.all([aborted.next(), closed.next()]);
  const waiting = [aborted.next(), closed.next()];
  assert.equal(getEventListeners(signal, "abort").length, 1);
  controller.abort();
  assert.equal((await waiting[0])?.done, true);
  await clock.settle();
  assert.equal(server.open(), 1);
  assert.deepEqual(changes.at(-1), { state: "closed" });
  await client.close();
  assert.equal((await waiting[1])?.done, true);
  assert.equal(getEventListeners(signal, "abort").length, 0);
  assert.equal((await client.session("s").watch().next()).done, true);
});

test("a consumer that stops reading pauses the stream, and its silence is no loss", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock, changes, note } = createMemoryClient(t, {
    buffer: { itemsMax: 4 },
  });
  const session = chat.openSession("s");
  append(session, 100);
  const delivered: bigint[] = [];
  server.lie = (event) => {
    delivered.push(event.sequence);
    return event;
  };
  const watch = client.session("s").watch({ onConnection: note });
  await takeUntil(watch, isEvent(1));
  await clock.advance(600_000);
  assert.ok(delivered.length < 100, `${delivered.length} events were read ahead`);
  assert.deepEqual(
    changes.map(({ state }) => state),
    ["connecting"],
  );
  const rest = await takeUntil(watch, ({ type }) => type === "live");
  assert.equal(rest.length, 100);
});

test("large texts pause the stream before many items do", { timeout }, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t, {
    buffer: { charactersMax: 1_000 },
  });
  const session = chat.openSession("s");
  for (let index = 0; index < 50; index += 1) {
    session.append({ type: EventType.CHUNK, turnId: "t", chunkText: "x".repeat(600) });
  }
  let delivered = 0;
  server.lie = (event) => {
    delivered += 1;
    return event;
  };
  const watch = client.session("s").watch();
  await takeUntil(watch, isEvent(1));
  await clock.settle();
  assert.ok(delivered < 20, `${delivered} events were read ahead`);
  assert.equal((await takeUntil(watch, isEvent(50))).length, 49);
});

test("chunks that stand for several come whole or not at all, and the cursor never skips text", {
  timeout,
}, async (t) => {
  const { client, chat, clock, faults } = createMemoryClient(t);
  const session = chat.openSession("s");
  const base = { type: EventType.CHUNK, turnId: "t" };
  session.append({ type: EventType.STATUS, turnId: "t" });
  session.append({ ...base, chunkText: "ac", thought: true, fromSequence: 2n, sequence: 4n });
  session.append({ ...base, chunkText: "bd", fromSequence: 3n, sequence: 5n });
  session.append({ type: EventType.RESPONSE_COMPLETE, turnId: "t", isFinal: true, sequence: 6n });
  faults.push({ cutAfter: 3 });
  const watch = client.session("s").watch();
  await takeUntil(watch, isEvent(1));
  const items = await clock.run(takeUntil(watch, isEvent(4)));
  assert.deepEqual(items.map(inWords), ["4"]);
  assert.deepEqual(watch.cursor, { sequence: 1n, epoch: 1 });
  assert.deepEqual((await takeUntil(watch, isEvent(6))).map(inWords), ["5", "6"]);
});

test("typing and other unrecorded updates are delivered, and do not move the cursor", {
  timeout,
}, async (t) => {
  const { client, chat, server } = createMemoryClient(t);
  append(chat.openSession("s"), 1);
  const watch = client.session("s").watch();
  await takeUntil(watch, ({ type }) => type === "live");
  const { type, updateType, updateData } = update("typing", {});
  server.tell({ type: EventType.HEARTBEAT });
  server.tell({ type, updateType, updateData });
  const { value } = await watch.next();
  assert.equal(inWords(value), "typing");
  assert.deepEqual(watch.cursor, { sequence: 1n, epoch: 1 });
});

test("the token is asked for on each attempt, and again when a stream ends UNAUTHENTICATED", {
  timeout,
}, async (t) => {
  let tokens = 0;
  const { client, chat, server, clock } = createMemoryClient(t, {
    getToken: async () => `t${++tokens}`,
  });
  append(chat.openSession("s"), 1);
  server.refuse("watchSession", refusal(Code.Unavailable, "SERVER_DRAINING"), expiredToken());
  const watch = client.session("s").watch();
  await clock.run(takeUntil(watch, isEvent(1)));
  const sent = server.of("watchSession").map(({ header }) => header.get("authorization"));
  assert.deepEqual(sent, ["Bearer t1", "Bearer t2", "Bearer t3"]);
  server.refuse("watchSession", expiredToken(), expiredToken());
  await assert.rejects(client.session("s").watch().next(), { code: Code.Unauthenticated });
});

const expiredToken = () => new ConnectError("who?", Code.Unauthenticated);

test("response headers of each stream and trailers of its end are told", { timeout }, async (t) => {
  const { client, chat, server } = createMemoryClient(t);
  append(chat.openSession("s"), 1);
  server.heartbeatMs = 4_321;
  const headers: (string | null)[] = [];
  let trailers = 0;
  const watch = client.session("s").watch({
    untilIdle: true,
    onHeader: (header) => headers.push(header.get("chat-heartbeat-ms")),
    onTrailer: () => {
      trailers += 1;
    },
  });
  for await (const item of watch) assert.ok(item);
  assert.deepEqual(headers, ["4321"]);
  assert.equal(trailers, 1);
});
