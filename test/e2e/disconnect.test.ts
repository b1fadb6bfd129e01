import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import {
  ChatResponse_Type,
  FinishReason,
  Message_State,
  OnDisconnect,
} from "../../src/gen/chat/chat_pb.ts";
import { type TestApp, untilMetrics } from "../support/app.ts";
import { openChat } from "../support/chat-call.ts";
import { bidiLanes, type LaneContext, lanes, overLanes } from "../support/lanes.ts";
import { failureOf, replyOf } from "../support/wire.ts";

const { CHUNK } = ChatResponse_Type;
const aborts = "chatwire_scripted_model_aborts_total";

/** How long, in each lane, a lost call took to reach the model, milliseconds. */
const delaysMs: number[] = [];

/** Waits until the model is aborted; slow machines get ten times what DESIGN section 2, rule 9 allows. */
async function untilAborted(app: TestApp, sinceMs: number): Promise<void> {
  await untilMetrics(app, (metrics) => metrics.get(aborts) === 1);
  const delayMs = performance.now() - sinceMs;
  delaysMs.push(delayMs);
  assert.ok(delayMs < 1_000, `the model was aborted after ${delayMs} ms`);
}

async function assertCancelled({ chat }: LaneContext, sessionId: string): Promise<void> {
  let messages = (await chat.listMessages({ sessionId })).messages;
  while (messages.length < 2) messages = (await chat.listMessages({ sessionId })).messages;
  const reply = messages[1];
  assert.deepEqual(
    [reply?.state, reply?.finishReason],
    [Message_State.PARTIAL, FinishReason.CANCELLED],
  );
  assert.match(reply?.text ?? "", /^w1 /);
}

overLanes("a cancelled StreamChat cancels its turn", lanes, {}, async (context) => {
  const { app, chat } = context;
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x60" });
  const abort = new AbortController();
  let sinceMs = 0;
  const request = { sessionId, message: "Go on" };
  const reading = (async () => {
    for await (const { type } of chat.streamChat(request, { signal: abort.signal })) {
      if (type !== CHUNK) continue;
      sinceMs = performance.now();
      abort.abort();
    }
  })();
  assert.equal((await failureOf(reading)).code, Code.Canceled);
  await untilAborted(app, sinceMs);
  await assertCancelled(context, sessionId);
});

overLanes("a SendMessage that nobody waits for cancels its turn", lanes, {}, async (context) => {
  const { app, chat } = context;
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x60" });
  const abort = new AbortController();
  const sending = failureOf(
    chat.sendMessage({ sessionId, message: "Go on" }, { signal: abort.signal }),
  );
  while ((await chat.getSessionInfo({ sessionId })).lastSequence < 3n);
  const sinceMs = performance.now();
  abort.abort();
  assert.equal((await sending).code, Code.Canceled);
  await untilAborted(app, sinceMs);
  await assertCancelled(context, sessionId);
});

overLanes("a deadline that passes cancels the turn", lanes, {}, async (context) => {
  const { app, chat } = context;
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x20" });
  const call = chat.sendMessage({ sessionId, message: "Go on" }, { timeoutMs: 120 });
  assert.equal((await failureOf(call)).code, Code.DeadlineExceeded);
  await untilMetrics(app, (metrics) => metrics.get(aborts) === 1);
  await assertCancelled(context, sessionId);
});

overLanes("a lost connection cancels the turn", lanes, {}, async (context) => {
  const { app, chat } = context;
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x60" });
  let sinceMs = 0;
  const reading = (async () => {
    for await (const { type } of chat.streamChat({ sessionId, message: "Go on" })) {
      if (type !== CHUNK) continue;
      sinceMs = performance.now();
      context.cut();
    }
  })();
  await failureOf(reading);
  await untilAborted(app, sinceMs);
});

overLanes("a cancelled Chat cancels its turns", bidiLanes, {}, async (context) => {
  const { app, chat } = context;
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x60" });
  const call = openChat(chat);
  await call.send({ sessionId, message: "Go on" });
  await call.firstOf(CHUNK);
  const sinceMs = performance.now();
  call.cancel();
  assert.equal((await call.ended)?.code, Code.Canceled);
  await untilAborted(app, sinceMs);
  await assertCancelled(context, sessionId);
});

overLanes("with CONTINUE a turn outlives its caller", lanes, {}, async ({ app, chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:10x10" });
  const abort = new AbortController();
  const request = { sessionId, message: "Go on", onDisconnect: OnDisconnect.CONTINUE };
  const reading = (async () => {
    for await (const { type } of chat.streamChat(request, { signal: abort.signal })) {
      if (type === CHUNK) abort.abort();
    }
  })();
  assert.equal((await failureOf(reading)).code, Code.Canceled);
  let [, reply] = (await chat.listMessages({ sessionId })).messages;
  while (!reply) [, reply] = (await chat.listMessages({ sessionId })).messages;
  assert.equal(reply.state, Message_State.COMPLETE);
  assert.equal(reply.text, Array.from({ length: 10 }, (_, index) => `w${index + 1} `).join(""));
  assert.equal((await app.metrics()).get(aborts), 0);
});

overLanes("with CONTINUE a turn outlives its connection", bidiLanes, {}, async (context) => {
  const { chat } = context;
  const { sessionId } = await chat.createSession({ modelId: "scripted:10x10" });
  const call = openChat(chat);
  await call.send({ sessionId, message: "Go on", onDisconnect: OnDisconnect.CONTINUE });
  await call.firstOf(CHUNK);
  context.cut();
  await call.ended;
  assert.notEqual(replyOf(call.events), "");
  let [, reply] = (await chat.listMessages({ sessionId })).messages;
  while (!reply) [, reply] = (await chat.listMessages({ sessionId })).messages;
  assert.equal(reply.state, Message_State.COMPLETE);
});

test("how long a decision took to reach the model", (t) => {
  const sorted = delaysMs.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]?.toFixed(1);
  t.diagnostic(`${sorted.length} aborts: median ${at(0.5)} ms, slowest ${at(1)} ms`);
  assert.ok(sorted.length > 0);
});
