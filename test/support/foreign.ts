import assert from "node:assert/strict";
import { toJsonString } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import {
  type ChatResponse,
  ChatResponse_Type,
  ChatResponseSchema,
} from "../../src/gen/chat/chat_pb.ts";
import { type AuthApp, bearer } from "./auth.ts";
import { connectLane, type Lane, type LaneClient } from "./lanes.ts";
import { openStreamChat } from "./stream-call.ts";
import { words } from "./turn-checks.ts";
import { assertError, failureOf } from "./wire.ts";

/** What alice has, and bob tries to reach by everything that he could know of it. */
export type Foreign = {
  readonly app: AuthApp;
  readonly lane: Lane;
  readonly chat: LaneClient["chat"];
  /** Bob's own headers. */
  readonly bob: { headers: Record<string, string> };
  readonly alice: { headers: Record<string, string> };
  /** Alice's session with a turn that runs and one that has ended, by its request_id. */
  readonly sessionId: string;
  readonly turnId: string;
  readonly requestId: string;
  readonly ended: { turnId: string; requestId: string; messageId: string };
  /** With which alice has opened the session, and has forked it. */
  readonly created: { requestId: string; modelId: string; title: string };
  readonly forkRequestId: string;
  readonly pageTokens: { sessions: string; messages: string };
};

/** In every text of alice's: in nothing that bob is told. */
const secret = "Zanzibar";

/** Alice's session, its texts, and a turn that runs for as long as the test. */
export async function createForeign(app: AuthApp, lane: Lane): Promise<Foreign> {
  const { chat } = connectLane(app, lane);
  const alice = { headers: bearer(app.alice) };
  const created = {
    requestId: "open",
    modelId: "scripted:3x1",
    title: `${secret} trip`,
    systemInstruction: `Know ${secret}`,
    metadata: { place: secret },
  };
  const { sessionId } = await chat.createSession(created, alice);
  await chat.createSession({ title: `${secret} again` }, alice);
  const ended = await chat.sendMessage({ sessionId, message: secret, requestId: "first" }, alice);
  await chat.forkSession({ sessionId, requestId: "fork" }, alice);
  const modelId = "scripted:100000x20";
  const request = { sessionId, message: `${secret} again`, requestId: "second", modelId };
  const running = openStreamChat(chat, request, alice);
  const { turnId } = await running.firstOf(ChatResponse_Type.CHUNK);
  app.defer(() => {
    running.abort();
    return chat.cancelTurn({ sessionId, turnId }, alice);
  });
  const page = { pageSize: 1 };
  const messages = await chat.listMessages({ sessionId, ...page }, alice);
  const sessions = await chat.listSessions(page, alice);
  assert.ok(messages.nextPageToken !== "" && sessions.nextPageToken !== "");
  return {
    app,
    lane,
    chat,
    alice,
    bob: { headers: bearer(app.bob) },
    sessionId,
    turnId,
    requestId: "second",
    ended: { turnId: ended.turnId, requestId: "first", messageId: ended.messageId },
    created,
    forkRequestId: "fork",
    pageTokens: { sessions: sessions.nextPageToken, messages: messages.nextPageToken },
  };
}

/** A call by bob is refused as it would be if there were no such thing; `call` gets what it names. */
export async function assertNotFound(
  call: (id: string) => Promise<unknown>,
  id: string,
  reason = "SESSION_NOT_FOUND",
): Promise<void> {
  const error = await failureOf(call(id));
  assertError(error, Code.NotFound, reason);
  const nowhere = "4f0c8f4e-0000-4000-8000-5b1d7e9c2a36";
  const missing = await failureOf(call(nowhere));
  assert.equal(textOf(error).replaceAll(id, "ID"), textOf(missing).replaceAll(nowhere, "ID"));
  assertTellsNothing(error);
}

function textOf({ code, rawMessage, details }: ConnectError): string {
  return toText([code, rawMessage, details.map((detail) => "value" in detail && detail.value)]);
}

/** As JSON; bytes as the text in them. */
function toText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "bigint") return String(part);
    return part instanceof Uint8Array ? Buffer.from(part).toString("latin1") : part;
  });
}

/** Nothing of what alice wrote is in it. */
export function assertTellsNothing(told: unknown): void {
  assert.doesNotMatch(toText(told), /Zanzibar|alice/i);
}

/** The events of bob's stream are of his own session and turn alone. */
export function assertOwn(
  events: readonly ChatResponse[],
  { sessionId, turnId, ended }: Foreign,
): void {
  const text = events.map((event) => toJsonString(ChatResponseSchema, event)).join("\n");
  assertTellsNothing(text);
  for (const id of [sessionId, turnId, ended.turnId, ended.messageId]) {
    assert.ok(!text.includes(id), text);
  }
}

/** Alice's turn still runs, and her session is as it was. */
export async function assertUntouched({ chat, alice, sessionId, turnId }: Foreign): Promise<void> {
  const info = await chat.getSessionInfo({ sessionId }, alice);
  assert.deepEqual(
    [info.title, info.runningTurnId, info.userMessages, info.queuedTurnIds],
    [`${secret} trip`, turnId, 2, []],
  );
  const { messages } = await chat.listMessages({ sessionId }, alice);
  const texts = messages.map(({ text }) => text);
  assert.deepEqual(texts.slice(0, 3), [secret, words(3), `${secret} again`]);
  assert.equal((await chat.listSessions({}, alice)).sessions.length, 3);
}
