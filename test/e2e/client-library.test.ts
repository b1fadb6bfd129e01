import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { SessionItem } from "../../src/client/session-item.ts";
import {
  type ChatResponse,
  ChatResponse_Type,
  FinishReason,
  Message_State,
  OnDisconnect,
} from "../../src/gen/chat/chat_pb.ts";
import { openCalls, sumOf, untilMetrics } from "../support/app.ts";
import { openClient, overClientLanes } from "../support/client-lanes.ts";
import { assertGapless, modelAborts, modelCalls, words } from "../support/turn-checks.ts";
import { replyOf } from "../support/wire.ts";

const { CHUNK, RESPONSE_COMPLETE } = ChatResponse_Type;
const { CONTINUE, CANCEL } = OnDisconnect;

/** The events of a watch up to the end of a turn, and what else it yielded, in words. */
async function readToEnd(watch: AsyncIterable<SessionItem>) {
  const events: ChatResponse[] = [];
  const others: string[] = [];
  for await (const item of watch) {
    if (item.type !== "event") others.push(item.type);
    else if (item.event.sequence > 0n) events.push(item.event);
    if (item.type === "event" && item.event.isFinal) break;
  }
  return { events, others };
}

overClientLanes("a reply is whole, once, however often its connection is cut", {}, async (c) => {
  const { app, relay, client } = c;
  const turn = client.send("Go on", { modelId: "scripted:60x5" });
  const events: ChatResponse[] = [];
  for await (const event of turn.events) {
    events.push(event);
    if (event.chunkNumber % 15 === 1) relay.cut();
  }
  const { text, turnId, failure } = await turn.result();
  assertGapless(events);
  assert.deepEqual([text, replyOf(events), failure], [words(60), words(60), undefined]);
  assert.ok(events.every((event) => event.turnId === turnId));
  const metrics = await app.metrics();
  assert.equal(metrics.get(modelCalls), 1);
  assert.ok(sumOf(metrics, "chatwire_rpc_started_total", "StreamChat") > 2, "no cut was felt");
});

overClientLanes("a request whose first answer is lost runs the model once", {}, async (c) => {
  const { app, relay, client } = c;
  await client.health();
  relay.deafen();
  const turn = client.send("Go on", { modelId: "scripted:5x1" });
  await untilMetrics(app, (metrics) => metrics.get(modelCalls) === 1);
  assert.equal(turn.turnId, "");
  relay.cut();
  const { text, sessionId } = await turn.result();
  assert.equal(text, words(5));
  assert.equal((await app.metrics()).get(modelCalls), 1);
  const { sessions } = await client.listSessions();
  assert.deepEqual(
    sessions.map((session) => session.sessionId),
    [sessionId],
  );
});

overClientLanes("a watch over cut connections sees the log", {}, async (c) => {
  const { app, relay, client, lane } = c;
  const { sessionId } = await client.createSession({ modelId: "scripted:60x5" });
  const watch = client.session(sessionId).watch();
  const reading = (async () => {
    const events: ChatResponse[] = [];
    for await (const item of watch) {
      if (item.type === "event" && item.event.sequence > 0n) events.push(item.event);
      if (item.type === "event" && item.event.chunkNumber % 15 === 1) relay.cut();
      if (item.type === "event" && item.event.isFinal) break;
    }
    return events;
  })();
  const direct = openClient(app, lane);
  const turn = direct.session(sessionId).send("Go on");
  const log: ChatResponse[] = [];
  for await (const event of turn.events) log.push(event);
  assert.deepEqual(await reading, log);
  assert.deepEqual(watch.cursor, { sequence: log.at(-1)?.sequence, epoch: 1 });
  const rest = await readToEnd(
    client.session(sessionId).watch({ afterSequence: 10n, afterEpoch: 1 }),
  );
  assert.deepEqual(rest, { events: log.slice(10), others: [] });
});

overClientLanes("a cursor that is not the session's brings a reload", {}, async ({ client }) => {
  const { sessionId } = await client.createSession({ modelId: "scripted:40x5" });
  const session = client.session(sessionId);
  const turn = session.send("Go on");
  for await (const event of turn.events) if (event.chunkNumber === 5) break;
  for (const [cursor, reason] of [
    [{ afterSequence: 1_000n, afterEpoch: 1 }, "ahead"],
    [{ afterSequence: 2n, afterEpoch: 9 }, "epoch"],
  ] as const) {
    const watch = session.watch({ ...cursor, untilIdle: true });
    const first = (await watch.next()).value as SessionItem;
    assert.ok(first.type === "reload");
    assert.deepEqual([first.reason, first.epoch], [reason, 1]);
    const [reply] = first.messages;
    assert.ok(reply);
    const { events } = await readToEnd(watch);
    const isRunning = reply.state === Message_State.STREAMING;
    if (isRunning) assertGapless(events, first.sequence + 1n);
    assert.equal(`${reply.text}${replyOf(events)}`, words(40));
  }
});

overClientLanes(
  "the session list tells changes, and asks for the list again after a cut",
  {},
  async (c) => {
    const { relay, client } = c;
    const list = client.watchSessions();
    const next = async () => {
      const { value } = await list.next();
      if (value.type === "list") return "list";
      return `${value.event.updateType} ${JSON.parse(value.event.updateData).session_id}`;
    };
    assert.equal(await next(), "list");
    const { sessionId } = await client.createSession({ modelId: "scripted:3x1" });
    assert.equal(await next(), `session_created ${sessionId}`);
    await client.session(sessionId).send("Hello").result();
    assert.equal(await next(), `session_running ${sessionId}`);
    assert.equal(await next(), `session_idle ${sessionId}`);
    relay.cut();
    assert.equal(await next(), "list");
    await client.session(sessionId).update({ title: "Named" });
    assert.equal(await next(), `session_changed ${sessionId}`);
    await client.session(sessionId).delete();
    assert.equal(await next(), `session_deleted ${sessionId}`);
    await list.return?.();
  },
);

overClientLanes("cancel keeps what had arrived", {}, async ({ app, client }) => {
  const turn = client.send("Go on", { modelId: "scripted:1000x20" });
  const events: ChatResponse[] = [];
  for await (const event of turn.events) {
    events.push(event);
    if (event.chunkNumber !== 3) continue;
    assert.deepEqual(await turn.cancel().then(({ cancelled }) => cancelled), true);
  }
  const { finishReason, text, sessionId, trailer } = await turn.result();
  assert.equal(finishReason, FinishReason.CANCELLED);
  assert.equal(trailer?.get("chat-finish-reason"), "CANCELLED");
  const { messages } = await client.session(sessionId).listMessages();
  assert.equal(messages[1]?.text, text);
  assert.equal((await app.metrics()).get(modelAborts), 1);
});

overClientLanes(
  "cancel works by the request_id alone, before anything was heard",
  {},
  async (c) => {
    const { app, relay, client } = c;
    await client.health();
    relay.deafen();
    const turn = client.send("Go on", { modelId: "scripted:1000x20", onDisconnect: CONTINUE });
    await untilMetrics(app, (metrics) => metrics.get(modelCalls) === 1);
    assert.deepEqual([turn.sessionId, turn.turnId], ["", ""]);
    const cancelling = turn.cancel();
    relay.cut();
    const { turnId } = await cancelling;
    const result = await turn.result();
    assert.deepEqual([result.finishReason, result.turnId], [FinishReason.CANCELLED, turnId]);
    const metrics = await app.metrics();
    assert.deepEqual([metrics.get(modelCalls), metrics.get(modelAborts)], [1, 1]);
  },
);

overClientLanes("a watch ends with its session, without an error", {}, async ({ client }) => {
  const { sessionId } = await client.createSession({});
  const seen: string[] = [];
  for await (const item of client.session(sessionId).watch()) {
    seen.push(item.type === "event" ? item.event.updateType : item.type);
    if (item.type === "live") await client.session(sessionId).delete();
  }
  assert.deepEqual(seen, ["live", "session_deleted"]);
});

overClientLanes(
  "close leaves no call on the server, and a turn to its on_disconnect",
  {},
  async (c) => {
    const { app, client } = c;
    const { sessionId } = await client.createSession({ modelId: "scripted:1000x20" });
    const session = client.session(sessionId);
    const watch = session.watch();
    await watch.next();
    const turn = session.send("Go on", { onDisconnect: CANCEL });
    await turn.events.next();
    const result = assert.rejects(turn.result(), { name: "TurnError", outcome: "unknown" });
    await client.close();
    await result;
    await untilMetrics(app, (metrics) => openCalls(metrics) === 0);
    await untilMetrics(app, (metrics) => metrics.get(modelAborts) === 1);
  },
);

overClientLanes("a program that closes its client ends by itself", {}, async (c) => {
  const { app, client, lane } = c;
  const { sessionId } = await client.createSession({ modelId: "scripted:3x1" });
  const program = fileURLToPath(new URL("../unit/client/closing-program.ts", import.meta.url));
  const args = [program, app.url, lane.protocol, lane.httpVersion, sessionId];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
  assert.equal(stdout, "closed\n");
});

overClientLanes("a turn is read again from a cursor by its request_id", {}, async ({ client }) => {
  const turn = client.send("Go on", { modelId: "scripted:5x1", requestId: "kept" });
  const events: ChatResponse[] = [];
  for await (const event of turn.events) events.push(event);
  const { sessionId } = await turn.result();
  const again = client.session(sessionId).send("Go on", {
    modelId: "scripted:5x1",
    requestId: "kept",
    afterSequence: 4n,
    afterEpoch: 1,
  });
  const rest: ChatResponse[] = [];
  for await (const event of again.events) rest.push(event);
  assert.deepEqual(rest, events.slice(4));
  assert.equal(rest.at(-1)?.type, RESPONSE_COMPLETE);
  assert.ok(rest.some(({ type }) => type === CHUNK));
});
