import assert from "node:assert/strict";
import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import {
  ChatRequest_Type,
  ChatResponse_Type,
  ChatService,
  OnBusy,
} from "../../src/gen/chat/chat_pb.ts";
import { bidiLanes, type Lane, lanes, overLanes, plainLanes } from "../support/lanes.ts";
import { openChat } from "../support/stream-call.ts";
import { assertError, collect, collectFailing, failureOf } from "../support/wire.ts";

overLanes("an unknown model is refused with those there are", lanes, {}, async ({ chat }) => {
  const modelId = "no-such-model";
  const calls = [
    failureOf(chat.createSession({ modelId })),
    failureOf(chat.sendMessage({ message: "Hi", modelId })),
    failureOf(collect(chat.streamChat({ message: "Hi", modelId }))),
  ];
  for (const error of await Promise.all(calls)) {
    assertError(error, Code.InvalidArgument, "MODEL_UNKNOWN");
    assert.match(error.rawMessage, /eliza/);
  }
  assert.equal((await chat.listSessions({})).activeSessions, 0);
});

overLanes("an unknown session is not found by any RPC", lanes, {}, async ({ chat }) => {
  const sessionId = "no-such-session";
  const calls = [
    chat.getSessionInfo({ sessionId }),
    chat.listMessages({ sessionId }),
    chat.deleteSession({ sessionId }),
    chat.cancelTurn({ sessionId }),
    chat.sendMessage({ sessionId, message: "Hi" }),
    collect(chat.streamChat({ sessionId, message: "Hi" })),
  ];
  for (const error of await Promise.all(calls.map(failureOf))) {
    const { metadata } = assertError(error, Code.NotFound, "SESSION_NOT_FOUND");
    assert.equal(metadata.session_id, sessionId);
  }
});

overLanes("a deleted session is not found", lanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({});
  await chat.deleteSession({ sessionId });
  const error = await failureOf(chat.getSessionInfo({ sessionId }));
  assertError(error, Code.NotFound, "SESSION_NOT_FOUND");
});

overLanes("every invalid field is named at once", lanes, {}, async ({ chat }) => {
  const empty = await failureOf(chat.sendMessage({ message: " \n" }));
  assert.deepEqual(assertError(empty, Code.InvalidArgument, "INVALID_REQUEST").fields, ["message"]);

  const long = await failureOf(
    collect(
      chat.streamChat({
        message: "Hi",
        requestId: "r".repeat(129),
        generation: { temperature: 2.5, topK: 0, stopSequences: [""] },
      }),
    ),
  );
  assert.deepEqual(assertError(long, Code.InvalidArgument, "INVALID_REQUEST").fields, [
    "request_id",
    "generation.temperature",
    "generation.top_k",
    "generation.stop_sequences[0]",
  ]);

  const ping = await failureOf(chat.sendMessage({ type: ChatRequest_Type.PING }));
  assert.deepEqual(assertError(ping, Code.InvalidArgument, "INVALID_REQUEST").fields, ["type"]);
});

overLanes("a type or choice that is not known is refused", lanes, {}, async ({ chat }) => {
  const unknown = 99 as never;
  const message = "Hi";
  const wrong = [
    [{ message, type: unknown }, "type"],
    [{ message, onBusy: unknown }, "on_busy"],
    [{ message, onDisconnect: unknown }, "on_disconnect"],
    [{ message, chunkBy: unknown }, "chunk_by"],
  ] as const;
  for (const [request, field] of wrong) {
    const calls = [chat.sendMessage(request), collect(chat.streamChat(request))];
    for (const error of await Promise.all(calls.map(failureOf))) {
      assert.deepEqual(assertError(error, Code.InvalidArgument, "INVALID_REQUEST").fields, [field]);
      assert.match(error.rawMessage, /99 is not known; it is one of [A-Z_]+, /);
    }
  }
  assert.equal((await chat.listSessions({})).activeSessions, 0);
});

overLanes("a Chat stream outlives a type that is not known", bidiLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({});
  const call = openChat(chat);
  await call.send({ sessionId, type: 99 as never, requestId: "odd" });
  const refused = await call.firstOf(ChatResponse_Type.ERROR);
  assert.deepEqual([refused.errorReason, refused.requestId], ["INVALID_REQUEST", "odd"]);
  assert.match(refused.errorMessage, /99 is not known/);
  await call.send({ type: ChatRequest_Type.PING });
  await call.firstOf(ChatResponse_Type.PONG);
  call.halfClose();
  assert.equal(await call.ended, undefined);
});

function isText({ fieldKind, scalar }: DescField): boolean {
  return fieldKind === "scalar" && scalar === ScalarType.STRING;
}

/** RPCs that are refused before their request is looked at. */
const unimplemented = ["GetAttachment"];

overLanes("no RPC takes a text that is too long", [plainLanes[0] as Lane], {}, async (c) => {
  const call = createClient(ChatService, c.transport) as Record<
    string,
    (request: object) => unknown
  >;
  for (const { localName, name, input, methodKind } of ChatService.methods) {
    if (methodKind === "bidi_streaming" || unimplemented.includes(name)) continue;
    for (const field of input.fields.filter(isText)) {
      const answer = call[localName]?.({ [field.localName]: "x".repeat(1_048_577) });
      const isStream = methodKind === "server_streaming";
      const outcome = isStream ? collect(answer as AsyncIterable<unknown>) : answer;
      const error = await failureOf(outcome as Promise<unknown>);
      const { fields } = assertError(error, Code.InvalidArgument, "INVALID_REQUEST");
      assert.ok(fields.includes(field.name), `${name}: ${field.name} is not in ${fields.join()}`);
    }
  }
});

overLanes(
  "with REJECT a second message in a busy session is refused",
  lanes,
  {},
  async ({ chat }) => {
    const { sessionId } = await chat.createSession({ modelId: "scripted:1000x60" });
    let refused = false;
    for await (const { type } of chat.streamChat({ sessionId, message: "First" })) {
      if (type !== ChatResponse_Type.CHUNK || refused) continue;
      const second = { sessionId, message: "Second", onBusy: OnBusy.REJECT };
      assertError(
        await failureOf(chat.sendMessage(second)),
        Code.FailedPrecondition,
        "SESSION_BUSY",
      );
      refused = true;
      await chat.cancelTurn({ sessionId });
    }
    assert.equal(refused, true);
    assert.equal((await chat.listMessages({ sessionId })).messages.length, 2);
    const next = await chat.sendMessage({ sessionId, message: "Third", modelId: "scripted:say" });
    assert.equal(next.text, "Third");
  },
);

overLanes("what later releases bring is UNIMPLEMENTED", lanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({});
  const message = "Hi";
  const calls = [
    collect(chat.getAttachment({ sessionId, attachmentId: "a" })),
    chat.sendMessage({ sessionId, message, attachments: [{ name: "a" }] }),
    collect(chat.streamChat({ sessionId, message, attachments: [{ name: "a" }] })),
  ];
  for (const error of await Promise.all(calls.map(failureOf))) {
    assertError(error, Code.Unimplemented, "NOT_IMPLEMENTED");
  }
});

overLanes(
  "a server that runs all the turns it can says when to try again",
  lanes,
  { env: { RUNNING_TURNS_MAX: "1" } },
  async ({ chat }) => {
    const running = await chat.createSession({ modelId: "scripted:1000x60" });
    for await (const { type } of chat.streamChat({ sessionId: running.sessionId, message: "Hi" })) {
      if (type !== ChatResponse_Type.STATUS) continue;
      const { error } = await collectFailing(chat.streamChat({ message: "Hi" }));
      const { retryMs } = assertError(error, Code.ResourceExhausted, "TOO_MANY_TURNS");
      assert.equal(retryMs, 1_000);
      await chat.cancelTurn({ sessionId: running.sessionId });
    }
  },
);
