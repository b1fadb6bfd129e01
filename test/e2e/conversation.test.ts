import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import {
  type CancelTurnResponse,
  type ChatResponse,
  ChatResponse_Type,
  FinishReason,
  Message_Role,
  Message_State,
} from "../../src/gen/chat/chat_pb.ts";
import { lanes, overLanes } from "../support/lanes.ts";
import { assertError, collect, failureOf, replyOf, timestampPattern } from "../support/wire.ts";

overLanes("a session remembers what was said", lanes, {}, async ({ chat }) => {
  const { sessionId, model, success } = await chat.createSession({
    modelId: "scripted:echo",
    title: "Trees",
    systemInstruction: "Be brief.",
    metadata: { colour: "green" },
  });
  assert.deepEqual([model, success], ["scripted:echo", true]);

  const first = await chat.sendMessage({ sessionId, message: "One" });
  const second = await collect(chat.streamChat({ sessionId, message: "Two" }));
  const third = await chat.sendMessage({ sessionId, message: "Three" });

  const given = JSON.parse(third.text);
  assert.equal(given.systemInstruction, "Be brief.");
  assert.deepEqual(
    given.messages.map(({ role, parts }: GivenMessage) => [role, parts[0]?.text]),
    [
      ["user", "One"],
      ["model", first.text],
      ["user", "Two"],
      ["model", replyOf(second)],
      ["user", "Three"],
    ],
  );
  assert.equal(third.messageCount, 6);
  assert.equal(third.finishReason, FinishReason.STOP);
  assert.ok(third.sequence > first.sequence);
});

type GivenMessage = { role: string; parts: { text: string }[] };

overLanes("messages are listed in order, page by page", lanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:say" });
  for (const message of ["a", "b", "c"]) await chat.sendMessage({ sessionId, message });

  const { messages, lastSequence, epoch } = await chat.listMessages({ sessionId });
  assert.deepEqual(
    messages.map(({ role, text }) => [role, text]),
    ["a", "b", "c"].flatMap((text) => [
      [Message_Role.USER, text],
      [Message_Role.MODEL, text],
    ]),
  );
  assert.ok(messages.every(({ state }) => state === Message_State.COMPLETE));
  for (const { createdAt } of messages) assert.match(createdAt, timestampPattern);
  assert.equal(lastSequence, messages.at(-1)?.sequence);
  assert.equal(epoch, 1);

  const paged: string[] = [];
  for (let pageToken = "", more = true; more; more = pageToken !== "") {
    const page = await chat.listMessages({ sessionId, pageSize: 4, pageToken, newestFirst: true });
    paged.push(...page.messages.map(({ messageId }) => messageId));
    pageToken = page.nextPageToken;
  }
  assert.deepEqual(paged, messages.map(({ messageId }) => messageId).reverse());
});

overLanes("sessions are described, listed in pages, and deleted", lanes, {}, async ({ chat }) => {
  const ids: string[] = [];
  for (const title of ["one", "two", "three"]) {
    ids.push((await chat.createSession({ title, modelId: "scripted:say" })).sessionId);
  }
  const [sessionId = ""] = ids;
  await chat.sendMessage({ sessionId, message: "Hello there" });

  const info = await chat.getSessionInfo({ sessionId });
  assert.deepEqual(
    [info.success, info.title, info.messageCount, info.userMessages, info.modelMessages],
    [true, "one", 2, 1, 1],
  );
  assert.match(info.createdAt, timestampPattern);
  assert.match(info.updatedAt, timestampPattern);
  assert.ok(info.usage?.outputTokens);

  const first = await chat.listSessions({ pageSize: 2 });
  assert.equal(first.activeSessions, 3);
  assert.equal(first.sessions[0]?.sessionId, sessionId, "the latest change comes first");
  assert.equal(first.sessions[0]?.preview, "Hello there");
  const rest = await chat.listSessions({ pageSize: 2, pageToken: first.nextPageToken });
  const listed = [...first.sessions, ...rest.sessions].map((session) => session.sessionId);
  assert.deepEqual(new Set(listed), new Set(ids));
  assert.equal(rest.nextPageToken, "");

  assert.equal((await chat.deleteSession({ sessionId })).success, true);
  assert.equal((await chat.listSessions({})).activeSessions, 2);
});

overLanes("a session need not be opened first", lanes, {}, async ({ chat }) => {
  const message = "Hello";
  const sent = await chat.sendMessage({ message, modelId: "scripted:say" });
  assert.equal(sent.text, message);
  const [first] = await collect(chat.streamChat({ message, modelId: "scripted:say" }));
  const { sessions } = await chat.listSessions({});
  assert.deepEqual(
    new Set(sessions.map(({ sessionId }) => sessionId)),
    new Set([sent.sessionId, first?.sessionId]),
  );
});

overLanes("a running turn can be cancelled, once", lanes, {}, async ({ chat, app }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x60" });
  const events: ChatResponse[] = [];
  let cancelled: Promise<CancelTurnResponse> | undefined;
  for await (const event of chat.streamChat({ sessionId, message: "Go on" })) {
    events.push(event);
    if (event.type === ChatResponse_Type.CHUNK) cancelled ??= chat.cancelTurn({ sessionId });
  }
  const end = events.at(-1);
  assert.equal(end?.finishReason, FinishReason.CANCELLED);
  const answer = await cancelled;
  assert.deepEqual([answer?.cancelled, answer?.turnId], [true, end.turnId]);
  assert.equal((await chat.cancelTurn({ sessionId, turnId: end.turnId })).cancelled, false);

  const [, reply] = (await chat.listMessages({ sessionId })).messages;
  assert.deepEqual([reply?.text, reply?.state], [replyOf(events), Message_State.PARTIAL]);
  assert.equal((await app.metrics()).get("chatwire_scripted_model_aborts_total"), 1);
});

overLanes("deleting a session ends what runs in it", lanes, {}, async ({ chat, app }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x60" });
  let deleted: Promise<unknown> | undefined;
  const read = async () => {
    for await (const { type } of chat.streamChat({ sessionId, message: "Go on" })) {
      if (type === ChatResponse_Type.CHUNK) deleted ??= chat.deleteSession({ sessionId });
    }
  };
  assertError(await failureOf(read()), Code.NotFound, "SESSION_NOT_FOUND");
  await deleted;
  assert.equal((await app.metrics()).get("chatwire_scripted_model_aborts_total"), 1);
  assert.equal((await chat.listSessions({})).activeSessions, 0);
});

overLanes("health, models and the alias of the default model", lanes, {}, async ({ chat }) => {
  const health = await chat.health({});
  assert.equal(health.healthy, true);
  assert.equal(health.model, "eliza");
  assert.match(health.framework, /^chatwire \d/);

  const { models } = await chat.listModels({});
  const [standard, ...others] = models;
  assert.equal(standard?.modelId, "eliza");
  assert.equal(standard.isDefault, true);
  assert.ok(standard.aliases.includes("gemini-2.0-flash"));
  assert.ok(others.some(({ provider, isDefault }) => provider === "scripted" && !isDefault));

  const { sessionId, model } = await chat.createSession({ modelId: "gemini-2.0-flash" });
  assert.equal(model, "eliza");
  const reply = await chat.sendMessage({ sessionId, message: "I feel tired" });
  assert.equal(reply.model, "eliza");
  assert.notEqual(reply.text, "");
});
