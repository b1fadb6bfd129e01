import assert from "node:assert/strict";
import { once } from "node:events";
import * as http from "node:http";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  type CancelTurnRequest,
  type ChatRequest,
  type ChatResponse,
  ChatResponseSchema,
  ChatService,
  ChatResponse_Type as EventType,
  FinishReason,
  Message_Role as Role,
} from "../../../src/gen/chat/chat_pb.ts";
import { ErrorInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";

type Event = Partial<Omit<ChatResponse, "$typeName" | "$unknown" | "usage" | "userMessage">>;

/** What a message makes the server do, after the STATUS that every turn begins with. */
export type Script = (turn: {
  request: ChatRequest;
  /** Resolves when CancelTurn names this turn; false where the call ended first. */
  cancelled: Promise<boolean>;
}) => AsyncIterable<Event>;

export type FakeServer = {
  readonly url: string;
  /** The requests of the turns so far. */
  readonly turns: readonly ChatRequest[];
  readonly cancels: readonly CancelTurnRequest[];
  /** Calls of StreamChat that ended because their client went away. */
  readonly lost: () => number;
  /** Cuts every connection. */
  readonly cut: () => void;
};

export type FakeOptions = {
  httpVersion?: "1.1" | "2";
  tls?: { cert: string; key: string };
  heartbeatMs?: number;
  /** Health never answers. */
  hangs?: boolean;
};

/** A ChatService on a real socket that does what `scripts` says for each message. Closed after the test. */
export async function startFakeServer(
  t: TestContext,
  scripts: Record<string, Script>,
  options: FakeOptions = {},
): Promise<FakeServer> {
  const turns: ChatRequest[] = [];
  const cancels: CancelTurnRequest[] = [];
  const running = new Map<string, () => void>();
  let lost = 0;

  async function* streamChat(request: ChatRequest, context: HandlerContext) {
    turns.push(request);
    const sessionId = request.sessionId || `session-${turns.length}`;
    const turnId = `turn-${turns.length}`;
    context.responseHeader.set("chat-session-id", sessionId);
    context.responseHeader.set("chat-heartbeat-ms", String(options.heartbeatMs ?? 15_000));
    const cancel = Promise.withResolvers<boolean>();
    running.set(turnId, () => cancel.resolve(true));
    let done = false;
    context.signal.addEventListener("abort", () => {
      if (!done) lost += 1;
      cancel.resolve(false);
    });
    const script = scripts[request.message];
    if (script === undefined) throw refused(Code.NotFound, "SESSION_NOT_FOUND");
    const base = { sessionId, turnId };
    yield create(ChatResponseSchema, { ...base, type: EventType.STATUS });
    for await (const event of script({ request, cancelled: cancel.promise })) {
      if (event.type !== EventType.CHUNK) done = true;
      yield create(ChatResponseSchema, { ...base, ...event });
    }
    done = true;
    running.delete(turnId);
  }

  const routes = (router: ConnectRouter) =>
    router.service(ChatService, {
      health: () =>
        options.hangs === true
          ? new Promise(() => {})
          : { healthy: true, message: "ok", model: "eliza", framework: "chatwire 0" },
      streamChat,
      cancelTurn(request) {
        cancels.push(request);
        const cancel = running.get(request.turnId);
        cancel?.();
        return { cancelled: cancel !== undefined, turnId: request.turnId };
      },
      listSessions: () => ({
        sessions: [
          { sessionId: "aaa", title: "First \u001b[31mone", model: "eliza", messageCount: 2 },
          { sessionId: "bbb", preview: "the second", model: "eliza", messageCount: 1 },
        ],
      }),
      listMessages({ sessionId }) {
        if (sessionId !== "bbb") throw refused(Code.NotFound, "SESSION_NOT_FOUND");
        return {
          messages: [
            { role: Role.MODEL, text: "an old answer" },
            { role: Role.USER, text: "an old question" },
          ],
        };
      },
    });

  const { url, cut } = await listen(t, connectNodeAdapter({ routes }), options);
  return { url, cut, turns, cancels, lost: () => lost };
}

function refused(code: Code, reason: string): ConnectError {
  return new ConnectError("there is no such session", code, undefined, [
    { desc: ErrorInfoSchema, value: { reason, domain: "chatwire" } },
  ]);
}

async function listen(
  t: TestContext,
  handler: ReturnType<typeof connectNodeAdapter>,
  { tls, httpVersion = "2" }: FakeOptions,
): Promise<{ url: string; cut: () => void }> {
  const server = tls
    ? http2.createSecureServer({ ...tls, allowHTTP1: true }, handler)
    : httpVersion === "2"
      ? http2.createServer(handler)
      : http.createServer(handler);
  const sessions = new Set<http2.Http2Session>();
  server.on("session", (session: http2.Http2Session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.once("close", () => sessions.delete(session));
  });
  server.on("sessionError", () => {});
  const cut = () => {
    for (const session of sessions) session.destroy();
    if (server instanceof http.Server) server.closeAllConnections();
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    const closed = once(server, "close");
    server.close();
    cut();
    await closed;
    assert.equal(sessions.size, 0);
  });
  const { port } = server.address() as AddressInfo;
  return { url: `${tls ? "https" : "http"}://127.0.0.1:${port}`, cut };
}

/** A piece of the reply. */
export const chunk = (chunkText: string): Event => ({ type: EventType.CHUNK, chunkText });

/** A piece of the model's thinking. */
export const thought = (chunkText: string): Event => ({ ...chunk(chunkText), thought: true });

/** The end of a turn whose reply is there. */
export const complete = (finishReason: FinishReason = FinishReason.STOP): Event => ({
  type: EventType.RESPONSE_COMPLETE,
  finishReason,
});

/** The end of a turn that failed. */
export const failure = (errorReason: string, errorMessage: string): Event => ({
  type: EventType.ERROR,
  finishReason: FinishReason.FAILED,
  errorReason,
  errorMessage,
  retryable: true,
  retryAfterMs: 1_500,
});

/** Streams two chunks, then waits to be cancelled. */
export const untilCancelled: Script = async function* ({ cancelled }) {
  yield chunk("one ");
  yield chunk("two ");
  if (await cancelled) yield complete(FinishReason.CANCELLED);
};
