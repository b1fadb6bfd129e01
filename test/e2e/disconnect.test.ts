import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import {
  ChatResponse_Type,
  FinishReason,
  type Message,
  Message_State,
  OnDisconnect,
  OnDisconnectSchema,
} from "../../src/gen/chat/chat_pb.ts";
import { startApp, type TestApp, untilMetrics } from "../support/app.ts";
import {
  bidiLanes,
  binaryLanes,
  connectLane,
  type Lane,
  lanes,
  overLanes,
} from "../support/lanes.ts";
import { until } from "../support/listener.ts";
import { openChat, openStreamChat, openWatch } from "../support/stream-call.ts";
import { startRelay } from "../support/tcp-relay.ts";
import { messagesWhenIdle, modelAborts, words } from "../support/turn-checks.ts";
import { enumName, failureOf } from "../support/wire.ts";

const { CHUNK } = ChatResponse_Type;
const { UNSPECIFIED, GRACE, CONTINUE, CANCEL } = OnDisconnect;

/** The ways in which a call can end before its turn does. */
const departures = ["abort", "deadline", "lost connection"] as const;
type Departure = (typeof departures)[number];

type Cell = { departure: Departure; onDisconnect: OnDisconnect };

const cells: readonly Cell[] = departures.flatMap((departure) =>
  [UNSPECIFIED, GRACE, CONTINUE, CANCEL].map((onDisconnect) => ({ departure, onDisconnect })),
);

/** The table of docs/turns.md: native gRPC alone tells a decision from a loss. */
function cancels({ protocol }: Lane, { departure, onDisconnect }: Cell, trusted: boolean): boolean {
  if (onDisconnect !== UNSPECIFIED) return onDisconnect === CANCEL;
  if (protocol !== "grpc" || departure === "lost connection") return false;
  return departure === "deadline" || trusted;
}

const nameOf = ({ departure, onDisconnect }: Cell) =>
  `${departure}, ${enumName(OnDisconnectSchema, onDisconnect)}`;

/** A session, and a connection of its own that can be lost. */
async function openCaller(app: TestApp, lane: Lane, modelId: string) {
  const relay = await startRelay(app);
  const { chat } = connectLane(relay.app, lane);
  const { sessionId } = await chat.createSession({ modelId });
  return { relay, chat, sessionId };
}

/** Long enough for a first chunk on a machine that is busy. */
const deadlineMs = 2_000;

/** Starts a turn by a call that then ends as the cell says. */
async function depart(
  { relay, chat, sessionId }: Awaited<ReturnType<typeof openCaller>>,
  cell: Cell,
): Promise<void> {
  const timeoutMs = cell.departure === "deadline" ? deadlineMs : undefined;
  const request = { sessionId, message: "Go on", onDisconnect: cell.onDisconnect };
  const call = openStreamChat(chat, request, timeoutMs ? { timeoutMs } : {});
  await call.firstOf(CHUNK);
  if (cell.departure === "abort") call.abort();
  if (cell.departure === "lost connection") relay.cut();
  const error = await call.ended;
  if (timeoutMs) assert.equal(error?.code, Code.DeadlineExceeded);
  else assert.ok(error);
}

/** Waits for the turn's end, which comes by itself only where nothing cancels it. */
async function endingOf(app: TestApp, sessionId: string, lane: Lane) {
  const { chat } = connectLane(app, { ...lane, protocol: "connect" });
  let reply: Message | undefined;
  await until(async () => {
    [, reply] = (await chat.listMessages({ sessionId })).messages;
    return reply?.state === Message_State.PARTIAL || reply?.state === Message_State.COMPLETE;
  });
  return { finishReason: reply?.finishReason, text: reply?.text };
}

/** Over TLS a connection of either HTTP version ends otherwise; the encoding has no part in it. */
const departingLanes = lanes.filter(({ json, tls, protocol, httpVersion }) => {
  if (json) return false;
  return !tls || protocol === "grpc" || (protocol === "connect" && httpVersion === "1.1");
});

for (const trusted of [true, false]) {
  for (const lane of departingLanes) {
    // Only what native gRPC does depends on it.
    if (!trusted && lane.protocol !== "grpc") continue;
    const trust = trusted ? "" : "TRUST_STREAM_RESET=0, ";
    test(`what the end of a call does to its turn (${trust}${lane.name})`, async (t) => {
      const env = { TRUST_STREAM_RESET: trusted ? "1" : "0", DISCONNECT_GRACE_MS: "60000" };
      const app = await startApp(t, { tls: lane.tls, env });
      const open = async (cell: Cell) => {
        const ends = cancels(lane, cell, trusted);
        // One that is to be cancelled never ends by itself; one that is not has something left to say.
        const modelId = ends ? "scripted:3x5!hang@1" : "scripted:45x60";
        return { cell, ends, caller: await openCaller(app, lane, modelId) };
      };
      // All are there before the first deadline runs.
      const opened = await Promise.all(cells.map(open));
      const check = async ({ cell, ends, caller }: (typeof opened)[number]) => {
        await depart(caller, cell);
        const { finishReason, text } = await endingOf(app, caller.sessionId, lane);
        const expected = ends ? [FinishReason.CANCELLED, "w1 "] : [FinishReason.STOP, words(45)];
        assert.deepEqual([finishReason, text], expected, nameOf(cell));
      };
      await Promise.all(opened.map(check));
      const aborts = opened.filter(({ ends }) => ends).length;
      assert.equal((await app.metrics()).get(modelAborts), aborts);
    });
  }
}

const longGrace = { env: { DISCONNECT_GRACE_MS: "60000" } };

overLanes("ending a watch cancels nothing", binaryLanes, longGrace, async ({ app, lane, chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:100x30" });
  const call = openStreamChat(chat, { sessionId, message: "Go on" });
  await call.firstOf(CHUNK);
  const relay = await startRelay(app);
  const other = connectLane(relay.app, lane);
  const aborted = openWatch(other.chat, { sessionId });
  const late = openWatch(other.chat, { sessionId }, { timeoutMs: 2_000 });
  const lost = openWatch(other.chat, { sessionId });
  for (const watch of [aborted, late, lost]) await watch.firstOf(CHUNK);
  aborted.abort();
  assert.equal((await late.ended)?.code, Code.DeadlineExceeded);
  relay.cut();
  assert.ok(await lost.ended);
  assert.equal(await call.ended, undefined);
  assert.equal(call.events.at(-1)?.finishReason, FinishReason.STOP);
  assert.equal((await app.metrics()).get(modelAborts), 0);
});

overLanes(
  "a SendMessage that is aborted leaves as its stream does",
  departingLanes,
  longGrace,
  async (c) => {
    const { app, lane, chat } = c;
    const decides = lane.protocol === "grpc";
    const modelId = decides ? "scripted:3x5!hang@1" : "scripted:30x10";
    const { sessionId } = await chat.createSession({ modelId });
    const watch = openWatch(chat, { sessionId });
    await watch.update("live");
    const abort = new AbortController();
    const sending = chat.sendMessage({ sessionId, message: "Go on" }, { signal: abort.signal });
    await watch.firstOf(CHUNK);
    abort.abort();
    assert.equal((await failureOf(sending)).code, Code.Canceled);
    const end = await watch.first(({ isFinal }) => isFinal);
    assert.equal(end.finishReason, decides ? FinishReason.CANCELLED : FinishReason.STOP);
    assert.equal((await app.metrics()).get(modelAborts), decides ? 1 : 0);
    watch.abort();
  },
);

overLanes(
  "aborting Chat ends what runs and waits on gRPC alone",
  bidiLanes,
  longGrace,
  async (c) => {
    const { app, lane, chat } = c;
    const decides = lane.protocol === "grpc";
    const modelId = decides ? "scripted:3x5!hang@1" : "scripted:15x10";
    const ids = await Promise.all(
      [1, 2].map(async () => (await chat.createSession({ modelId })).sessionId),
    );
    const call = openChat(chat);
    for (const sessionId of ids) {
      await call.send({ sessionId, message: "one" });
      await call.first((event) => event.type === CHUNK && event.sessionId === sessionId);
      await call.send({ sessionId, message: "two" });
      await call.first((e) => e.updateType === "turn_queued" && e.sessionId === sessionId);
    }
    call.cancel();
    assert.equal((await call.ended)?.code, Code.Canceled);
    const replies = decides ? [["one", "w1 "]] : [["one", words(15), "two", words(15)]];
    for (const sessionId of ids) {
      const messages = await messagesWhenIdle(chat, sessionId);
      assert.deepEqual([messages.map(({ text }) => text)], replies);
    }
    assert.equal((await app.metrics()).get(modelAborts), decides ? 2 : 0);
  },
);

overLanes(
  "half-closing Chat is no loss",
  bidiLanes,
  { env: { DISCONNECT_GRACE_MS: "0" } },
  async (c) => {
    const { app, chat } = c;
    const { sessionId } = await chat.createSession({ modelId: "scripted:15x10" });
    const call = openChat(chat);
    await call.send({ sessionId, message: "one", onDisconnect: CANCEL });
    await call.send({ sessionId, message: "two", onDisconnect: CANCEL });
    call.halfClose();
    assert.equal(await call.ended, undefined);
    const ends = call.events.filter(({ isFinal }) => isFinal);
    assert.deepEqual(
      ends.map(({ finishReason, totalChunks }) => [finishReason, totalChunks]),
      [
        [FinishReason.STOP, 15],
        [FinishReason.STOP, 15],
      ],
    );
    assert.equal((await app.metrics()).get(modelAborts), 0);
  },
);

/** How long, in each lane, a decision took to reach the model, milliseconds. */
const delaysMs: number[] = [];

overLanes(
  "a decision reaches the model at once",
  departingLanes,
  longGrace,
  async ({ app, lane, chat }) => {
    const { sessionId } = await chat.createSession({ modelId: "scripted:3x1!hang@1" });
    const call = openStreamChat(chat, { sessionId, message: "Go on" });
    await call.firstOf(CHUNK);
    const sinceMs = performance.now();
    if (lane.protocol === "grpc") call.abort();
    else await chat.cancelTurn({ sessionId });
    await untilMetrics(app, (metrics) => metrics.get(modelAborts) === 1);
    delaysMs.push(performance.now() - sinceMs);
    await call.ended;
  },
);

test("how long a decision took to reach the model", (t) => {
  const sorted = delaysMs.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Infinity;
  t.diagnostic(`median ${at(0.5).toFixed(1)} ms, slowest ${at(1).toFixed(1)} ms`);
  // Rule 9 allows 100 ms; a machine that is busy with other tests gets ten times that.
  assert.ok(at(1) < 1_000);
});
