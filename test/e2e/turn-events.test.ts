import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import {
  type ChatResponse,
  ChatResponse_Type,
  FinishReason,
  FinishReasonSchema,
  Message_Role,
  Message_State,
} from "../../src/gen/chat/chat_pb.ts";
import { type LaneContext, lanes, overLanes } from "../support/lanes.ts";
import {
  assertError,
  collect,
  collectFailing,
  enumName,
  failureOf,
  replyOf,
  theOnly,
  timestampPattern,
  typeNames,
} from "../support/wire.ts";

overLanes("a turn's events come in order, numbered without a gap", lanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:4x1" });
  const requestId = "my-request";
  const events = [
    ...(await collect(chat.streamChat({ sessionId, message: "one", requestId }))),
    ...(await collect(chat.streamChat({ sessionId, message: "two" }))),
  ];
  const order = ["STATUS", "RESPONSE_START", "CHUNK", "CHUNK", "CHUNK", "CHUNK"];
  assert.deepEqual(typeNames(events.slice(0, 7)), [...order, "RESPONSE_COMPLETE"]);
  assert.deepEqual(typeNames(events.slice(7)), [...order, "RESPONSE_COMPLETE"]);
  assert.deepEqual(
    events.map(({ sequence }) => sequence),
    events.map((_, index) => BigInt(index + 1)),
  );
  for (const event of events) {
    assert.equal(event.sessionId, sessionId);
    assert.equal(event.epoch, 1);
    assert.match(event.timestamp, timestampPattern);
  }
  const [status, start, ...rest] = events;
  assert.deepEqual(
    [status?.contextMessages, status?.model, status?.requestId, status?.userMessage?.text],
    [1, "scripted:4x1", requestId, "one"],
  );
  assert.equal(events[7]?.contextMessages, 3);
  assert.deepEqual(
    rest.slice(0, 4).map(({ chunkText, chunkNumber }) => [chunkText, chunkNumber]),
    [1, 2, 3, 4].map((number) => [`w${number} `, number]),
  );
  const end = events[6];
  assert.equal(end?.isFinal, true);
  assert.equal(end.finishReason, FinishReason.STOP);
  assert.deepEqual([end.totalChunks, end.messageCount, end.messageId], [4, 2, start?.messageId]);
  assert.equal(end.usage?.outputTokens, 4);
});

overLanes("thoughts are chunks that are no part of the reply", lanes, {}, async ({ chat }) => {
  const modelId = "scripted:thoughts";
  const generation = { includeThoughts: true };
  const sent = await chat.sendMessage({ message: "Hi", modelId, generation });
  assert.deepEqual([sent.thoughts, sent.text], ["t1 t2 t3 ", "w1 w2 w3 "]);
  const events = await collect(chat.streamChat({ message: "Hi", modelId, generation }));
  const chunks = events.filter(({ type }) => type === ChatResponse_Type.CHUNK);
  assert.deepEqual(
    chunks.map(({ thought, chunkNumber }) => [thought, chunkNumber]),
    [1, 2, 3, 4, 5, 6].map((number) => [number <= 3, number]),
  );
});

type Failure = {
  modelId: string;
  finishReason: FinishReason;
  code: Code;
  reason: string;
};

const failures: readonly Failure[] = [
  {
    modelId: "scripted:5x5!unavailable@2",
    finishReason: FinishReason.FAILED,
    code: Code.Unavailable,
    reason: "MODEL_UNAVAILABLE",
  },
  {
    modelId: "scripted:5x5!end@2",
    finishReason: FinishReason.INCOMPLETE,
    code: Code.Unavailable,
    reason: "MODEL_INCOMPLETE",
  },
  {
    modelId: "scripted:5x5!hang@2",
    finishReason: FinishReason.TIMEOUT,
    code: Code.DeadlineExceeded,
    reason: "MODEL_IDLE_TIMEOUT",
  },
];

for (const failure of failures) {
  overLanes(
    `${failure.modelId} ends with a recorded ERROR and its status`,
    lanes,
    { env: { IDLE_CHUNK_TIMEOUT_MS: "40" } },
    (context) => checkFailure(context, failure),
  );
}

async function checkFailure({ chat }: LaneContext, expected: Failure): Promise<void> {
  const { modelId, finishReason, code, reason } = expected;
  const { sessionId } = await chat.createSession({ modelId });
  const { values, error } = await collectFailing(chat.streamChat({ sessionId, message: "Hi" }));
  assertError(error, code, reason);
  assert.deepEqual(typeNames(values), ["STATUS", "RESPONSE_START", "CHUNK", "CHUNK", "ERROR"]);
  assertFailedEnd(values, expected);

  const unary = await failureOf(chat.sendMessage({ sessionId, message: "Again" }));
  const { metadata } = assertError(unary, code, reason);
  assert.equal(metadata.finish_reason, enumName(FinishReasonSchema, finishReason));

  const { messages } = await chat.listMessages({ sessionId });
  for (const message of messages.filter(({ role }) => role === Message_Role.MODEL)) {
    assert.deepEqual(
      [message.text, message.state, message.finishReason, message.errorReason],
      ["w1 w2 ", Message_State.PARTIAL, finishReason, reason],
    );
  }
  assert.equal(messages.length, 4);
}

function assertFailedEnd(events: readonly ChatResponse[], expected: Failure): void {
  const end = theOnly(events, ChatResponse_Type.ERROR);
  assert.equal(end.sequence, 5n);
  assert.deepEqual(
    [end.isFinal, end.finishReason, end.errorReason, end.retryable, end.totalChunks],
    [true, expected.finishReason, expected.reason, true, 2],
  );
  assert.ok(end.usage, "usage is on every end");
}

overLanes("a blocked or cut reply is an end and no error", lanes, {}, async ({ chat }) => {
  const ends = [
    ["scripted:5x5!safety@2", FinishReason.SAFETY],
    ["scripted:5x5!max_tokens@2", FinishReason.MAX_TOKENS],
  ] as const;
  for (const [modelId, finishReason] of ends) {
    const events = await collect(chat.streamChat({ message: "Hi", modelId }));
    assert.equal(replyOf(events), "w1 w2 ");
    const end = theOnly(events, ChatResponse_Type.RESPONSE_COMPLETE);
    assert.equal(end.finishReason, finishReason);
    assert.ok(end.usage);
    const sent = await chat.sendMessage({ message: "Hi", modelId });
    assert.deepEqual([sent.text, sent.finishReason], ["w1 w2 ", finishReason]);
  }
});

overLanes("a failed turn poisons nothing that follows", lanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:echo" });
  const blocked = "scripted:5x0!safety@2";
  await chat.sendMessage({ sessionId, message: "blocked", modelId: blocked });
  const broken = "scripted:5x0!unavailable@0";
  await failureOf(chat.sendMessage({ sessionId, message: "broken", modelId: broken }));
  const { text } = await chat.sendMessage({ sessionId, message: "fine" });
  const roles = JSON.parse(text).messages.map(({ role }: { role: string }) => role);
  assert.deepEqual(roles, ["user"]);
});
