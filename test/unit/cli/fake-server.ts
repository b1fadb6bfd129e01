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

/** What a message makes the server do, after the STATUS that every turn begins with. It runs once a turn. */
export type Script = (turn: {
  request: ChatRequest;
  /** Resolves when CancelTurn names this turn; false where the test ended first. */
  cancelled: Promise<boolean>;
  /** Resolves when the request was sent again. */
  sentAgain: Promise<void>;
}) => AsyncIterable<Event>;

export type FakeServer = {
  readonly url: string;
  /** The requests of the turns so far, those that were sent again included. */
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
  /** New turns are refused for now. */
  drains?: boolean;
};

/** A turn whose events are recorded, so that it can be read again from anywhere. */
type FakeTurn = {
  readonly sessionId: string;
  readonly turnId: string;
  readonly events: ChatResponse[];
  readonly sendings: { count: number; again: PromiseWithResolvers<void> };
  readonly cancel: PromiseWithResolvers<boolean>;
  /** Undefined while the script runs; then what it threw, if anything. */
  end: { error?: unknown } | undefined;
  changed: PromiseWithResolvers<void>;
};

/** A ChatService on a real socket that does what `scripts` says for each message. Closed after the test. */
export async function startFakeServer(
  t: TestContext,
  scripts: Record<string, Script>,
  options: FakeOptions = {},
): Promise<FakeServer> {
  const turns: ChatRequest[] = [];
  const cancels: CancelTurnRequest[] = [];
  const started = new Map<string, FakeTurn>();
  let lost = 0;

  function start(request: ChatRequest): FakeTurn {
    const known = started.get(request.requestId);
    if (known !== undefined) return known;
    if (options.drains === true) throw refused(Code.Unavailable, "SERVER_DRAINING");
    const script = scripts[request.message];
    if (script === undefined) throw refused(Code.NotFound, "SESSION_NOT_FOUND");
    const count = started.size + 1;
    const turn: FakeTurn = {
      sessionId: request.sessionId || `session-${count}`,
      turnId: `turn-${count}`,
      events: [],
      sendings: { count: 0, again: Promise.withResolvers() },
      cancel: Promise.withResolvers(),
      end: undefined,
      changed: Promise.withResolvers(),
    };
    t.after(() => turn.cancel.resolve(false));
    started.set(request.requestId, turn);
    const { cancel, sendings } = turn;
    void record(
      turn,
      script({ request, cancelled: cancel.promise, sentAgain: sendings.again.promise }),
    );
    return turn;
  }

  async function* streamChat(request: ChatRequest, context: HandlerContext) {
    turns.push(request);
    const turn = start(request);
    turn.sendings.count += 1;
    if (turn.sendings.count > 1) turn.sendings.again.resolve();
    context.responseHeader.set("chat-session-id", turn.sessionId);
    context.responseHeader.set("chat-heartbeat-ms", String(options.heartbeatMs ?? 15_000));
    const gone = Promise.withResolvers<void>();
    context.signal.addEventListener("abort", () => gone.resolve());
    let position = Number(request.afterSequence);
    while (!context.signal.aborted) {
      const changed = turn.changed.promise;
      for (const event of turn.events.slice(position)) {
        position += 1;
        yield event;
      }
      if (position < turn.events.length) continue;
      if (turn.end !== undefined) {
        if ("error" in turn.end) throw turn.end.error;
        return;
      }
      await Promise.race([changed, gone.promise]);
    }
    if (!turn.events.some(({ isFinal }) => isFinal)) lost += 1;
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
        const turn = [...started.values()].find(({ turnId }) => turnId === request.turnId);
        turn?.cancel.resolve(true);
        return { cancelled: turn !== undefined, turnId: request.turnId };
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

/** Records what the script yields, as the events after a STATUS. */
async function record(turn: FakeTurn, script: AsyncIterable<Event>): Promise<void> {
  const { sessionId, turnId, events } = turn;
  let chunks = 0;
  const append = (event: Event) => {
    if (event.type === EventType.CHUNK) chunks += 1;
    const isFinal = event.type === EventType.RESPONSE_COMPLETE || event.type === EventType.ERROR;
    const place = { sessionId, turnId, epoch: 1, sequence: BigInt(events.length + 1), isFinal };
    const count = isFinal ? { totalChunks: chunks } : { chunkNumber: chunks };
    events.push(create(ChatResponseSchema, { ...place, ...count, ...event }));
    tell(turn);
  };
  append({ type: EventType.STATUS });
  try {
    for await (const event of script) append(event);
    turn.end = {};
  } catch (error) {
    turn.end = { error };
  }
  tell(turn);
}

function tell(turn: FakeTurn): void {
  turn.changed.resolve();
  turn.changed = Promise.withResolvers();
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
    const ended = [...sessions].map((session) => once(session, "close"));
    cut();
    await Promise.all([closed, ...ended]);
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

/** Streams two chunks, and the third once the request was sent again. */
export const untilSentAgain: Script = async function* ({ sentAgain }) {
  yield chunk("one ");
  yield chunk("two ");
  await sentAgain;
  yield chunk("three");
  yield complete();
};
