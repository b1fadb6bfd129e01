import { create } from "@bufbuild/protobuf";
import {
  Code,
  type ConnectError,
  type ConnectRouter,
  type HandlerContext,
} from "@connectrpc/connect";
import {
  type ChatRequest,
  type ChatResponse,
  ChatResponseSchema,
  ChatService,
  ChatResponse_Type as EventType,
  FinishReason,
  type WatchSessionRequest,
} from "../../src/gen/chat/chat_pb.ts";
import { type FakeChat, type FakeSession, type FakeTurn, refusal } from "./fake-chat.ts";

export type Call = {
  method: keyof typeof ChatService.method;
  request: unknown;
  header: Headers;
};

/** One server over a FakeChat, and what a test can make it do wrong. */
export type FakeReplica = {
  readonly routes: (router: ConnectRouter) => void;
  readonly calls: Call[];
  /** The calls of one method. */
  of(method: Call["method"]): Call[];
  /** Throws for the next calls of the method, one error for each. */
  refuse(method: Call["method"], ...errors: ConnectError[]): void;
  /** Runs before each answer; may wait or throw. */
  before: (call: Call, context: HandlerContext) => Promise<void> | void;
  /** Makes a lie of an event that a stream is about to send; undefined leaves it out. */
  lie: (event: ChatResponse) => ChatResponse | undefined;
  /** Sends an unrecorded event on every open stream. */
  tell(
    event: Partial<Pick<ChatResponse, "type" | "updateType" | "updateData" | "errorReason">>,
  ): void;
  /** Announces the stop: `draining` on each stream, new turns UNAVAILABLE. */
  drain(retryAfterMs?: number): void;
  /** Ends each stream with UNAVAILABLE. */
  stop(): void;
  /** Streams that are open now. */
  open(): number;
  heartbeatMs: number;
};

type Reader = { told: ChatResponse[]; stopped: boolean; news: () => void };

export function createFakeReplica(chat: FakeChat): FakeReplica {
  const readers = new Set<Reader>();
  const refusals = new Map<string, ConnectError[]>();
  let drainingRetryMs: number | undefined;

  const replica: FakeReplica = {
    routes,
    calls: [],
    of: (method) => replica.calls.filter((call) => call.method === method),
    refuse: (method, ...errors) =>
      refusals.set(method, [...(refusals.get(method) ?? []), ...errors]),
    before: () => {},
    lie: (event) => event,
    tell(event) {
      for (const reader of readers) {
        reader.told.push(create(ChatResponseSchema, event));
        reader.news();
      }
    },
    drain(retryAfterMs = 1_000) {
      drainingRetryMs = retryAfterMs;
      replica.tell(update("draining", { last_sequence: "0" }));
    },
    stop() {
      for (const reader of readers) {
        reader.stopped = true;
        reader.news();
      }
    },
    open: () => readers.size,
    heartbeatMs: 15_000,
  };

  async function enter(
    method: Call["method"],
    request: unknown,
    context: HandlerContext,
  ): Promise<void> {
    const call = { method, request, header: context.requestHeader };
    replica.calls.push(call);
    await Promise.race([replica.before(call, context), whenGone(context.signal)]);
    const error = refusals.get(method)?.shift();
    if (error !== undefined) throw error;
  }

  /** The events that `wanted` picks after the cursor, as they come, until `isDone`. */
  async function* read(
    session: FakeSession,
    after: bigint,
    context: HandlerContext,
    how: { wanted(event: ChatResponse): boolean; isDone(): boolean; live?: ChatResponse },
  ): AsyncGenerator<ChatResponse> {
    let { promise: news, resolve } = Promise.withResolvers<void>();
    const reader: Reader = { told: [], stopped: false, news: () => resolve() };
    const onAbort = () => {
      readers.delete(reader);
      resolve();
    };
    context.signal.addEventListener("abort", onAbort, { once: true });
    readers.add(reader);
    let position = session.log.findIndex(({ sequence }) => sequence > after);
    if (position < 0) position = session.log.length;
    let { live } = how;
    try {
      while (!context.signal.aborted) {
        ({ promise: news, resolve } = Promise.withResolvers<void>());
        const changed = session.changed();
        while (position < session.log.length) {
          const event = session.log[position] as ChatResponse;
          position += 1;
          const told = how.wanted(event) ? replica.lie(event) : undefined;
          if (told !== undefined) yield told;
        }
        for (const event of reader.told.splice(0)) yield event;
        if (live !== undefined) yield live;
        live = undefined;
        if (session.deleted) throw refusal(Code.NotFound, "SESSION_NOT_FOUND");
        if (reader.stopped) throw refusal(Code.Unavailable, "SERVER_STOPPED", drainingRetryMs);
        if (position >= session.log.length && how.isDone()) return;
        if (position < session.log.length || reader.told.length > 0) continue;
        await Promise.race([changed, news]);
      }
    } finally {
      context.signal.removeEventListener("abort", onAbort);
      readers.delete(reader);
    }
  }

  async function* watchSession(request: WatchSessionRequest, context: HandlerContext) {
    await enter("watchSession", request, context);
    const list = request.sessionId === "";
    const session = list ? chat.openSession("the-list") : chat.find(request.sessionId);
    checkCursor(session, request);
    context.responseHeader.set("chat-heartbeat-ms", String(replica.heartbeatMs));
    const facts = { last_sequence: String(session.lastSequence()), epoch: session.epoch };
    yield update("watching", { ...facts, running_turn_id: "", heartbeat_ms: replica.heartbeatMs });
    const runs = () =>
      [...chat.turns.values()].some((turn) => turn.session === session && !turn.ended);
    yield* read(session, request.afterSequence, context, {
      wanted: () => true,
      isDone: () => request.untilIdle && !runs(),
      live: update("live", {}),
    });
  }

  async function* streamChat(request: ChatRequest, context: HandlerContext) {
    await enter("streamChat", request, context);
    if (drainingRetryMs !== undefined && !chat.turns.has(request.requestId)) {
      throw refusal(Code.Unavailable, "SERVER_DRAINING", drainingRetryMs);
    }
    const turn = chat.startTurn(request);
    checkCursor(turn.session, request);
    context.responseHeader.set("chat-session-id", turn.session.sessionId);
    context.responseHeader.set("chat-heartbeat-ms", String(replica.heartbeatMs));
    context.responseTrailer.set("chat-turns", "1");
    yield* read(turn.session, request.afterSequence, context, {
      wanted: ({ turnId }) => turnId === turn.turnId || turnId === "",
      isDone: () => turn.ended !== undefined,
    });
    if (turn.ended?.type === EventType.ERROR) {
      throw refusal(Code.Unavailable, turn.ended.errorReason);
    }
  }

  function routes(router: ConnectRouter): void {
    router.service(ChatService, {
      watchSession,
      streamChat,
      async health(request, context) {
        await enter("health", request, context);
        return { healthy: true };
      },
      async createSession(request, context) {
        await enter("createSession", request, context);
        const sessionId = `session-of-${request.requestId}`;
        if (!chat.sessions.has(sessionId)) chat.openSession(sessionId);
        return { sessionId, success: true, model: "fake" };
      },
      async getSessionInfo(request, context) {
        await enter("getSessionInfo", request, context);
        context.responseHeader.set("x-header", "h");
        context.responseTrailer.set("x-trailer", "t");
        return { sessionId: chat.find(request.sessionId).sessionId, success: true };
      },
      async listMessages(request, context) {
        await enter("listMessages", request, context);
        const session = chat.find(request.sessionId);
        const all = session.messages();
        const messages = request.newestFirst ? all.toReversed() : all;
        return { messages, lastSequence: session.lastSequence(), epoch: session.epoch };
      },
      async deleteSession(request, context) {
        const session = chat.find(request.sessionId);
        session.append({ type: EventType.SESSION_UPDATE, updateType: "session_deleted" });
        session.deleted = true;
        session.touch();
        await enter("deleteSession", request, context);
        return { success: true };
      },
      async updateSession(request, context) {
        await enter("updateSession", request, context);
        return {};
      },
      async forkSession(request, context) {
        await enter("forkSession", request, context);
        return { sessionId: `fork-${request.requestId}` };
      },
      async sendMessage(request, context) {
        await enter("sendMessage", request, context);
        const turn = chat.startTurn(request);
        while (turn.ended === undefined) await turn.session.changed();
        return { turnId: turn.turnId, sessionId: turn.session.sessionId };
      },
      async cancelTurn(request, context) {
        await enter("cancelTurn", request, context);
        const turn = findTurn(chat, request);
        if (turn === undefined) return {};
        if (turn.ended === undefined) turn.end(FinishReason.CANCELLED);
        const cancelled = turn.ended?.finishReason === FinishReason.CANCELLED;
        return { cancelled, turnId: turn.turnId };
      },
    });
  }

  return replica;
}

function findTurn(
  chat: FakeChat,
  { turnId, requestId }: { turnId: string; requestId: string },
): FakeTurn | undefined {
  return [...chat.turns.values()].find((turn) =>
    turnId === "" ? turn.requestId === requestId : turn.turnId === turnId,
  );
}

/** Rejects when the call's client has gone: a handler that waits on would keep the call's deadline running. */
function whenGone(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = () => reject(signal.reason);
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  promise.catch(() => undefined);
  return promise;
}

function checkCursor(
  session: FakeSession,
  { afterSequence, afterEpoch }: { afterSequence: bigint; afterEpoch: number },
): void {
  if (afterEpoch !== 0 && afterEpoch !== session.epoch) {
    throw refusal(Code.DataLoss, "EPOCH_CHANGED");
  }
  if (afterSequence > session.lastSequence()) {
    throw refusal(Code.OutOfRange, "SEQUENCE_OUT_OF_RANGE");
  }
  if (afterSequence < session.floor) throw refusal(Code.DataLoss, "EVENTS_EXPIRED");
}

/** An unrecorded SESSION_UPDATE. */
export function update(updateType: string, data: Record<string, unknown>): ChatResponse {
  const updateData = JSON.stringify(data);
  return create(ChatResponseSchema, { type: EventType.SESSION_UPDATE, updateType, updateData });
}
