import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type ChatRequest,
  type ChatResponse,
  ChatResponseSchema,
  ChatResponse_Type as EventType,
  FinishReason,
  type Message,
  MessageSchema,
  Message_Role as Role,
  Message_State as State,
} from "../../src/gen/chat/chat_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";

export type EventInit = Omit<MessageInitShape<typeof ChatResponseSchema> & object, "$typeName">;

/** A turn of the fake: its model is driven by the test, or runs by itself where `autoReply` says so. */
export type FakeTurn = {
  readonly turnId: string;
  readonly requestId: string;
  readonly request: ChatRequest;
  readonly session: FakeSession;
  chunk(text: string, more?: EventInit): void;
  end(finishReason?: FinishReason, more?: EventInit): void;
  /** Undefined while it runs. */
  ended: ChatResponse | undefined;
};

/** A session of the fake: an event log in memory and those who wait for its next event. */
export type FakeSession = {
  readonly sessionId: string;
  readonly log: ChatResponse[];
  epoch: number;
  /** Events up to this sequence have expired. */
  floor: bigint;
  deleted: boolean;
  lastSequence(): bigint;
  /** Records an event and wakes the readers. */
  append(event: EventInit): ChatResponse;
  /** Resolves at the next event, or when anything else about the session changes. */
  changed(): Promise<void>;
  touch(): void;
  messages(): Message[];
};

/** What outlives every replica: sessions, turns, how often the model ran. */
export type FakeChat = {
  readonly sessions: Map<string, FakeSession>;
  readonly turns: Map<string, FakeTurn>;
  /** The requests for which a model was run, in order. */
  readonly modelRuns: ChatRequest[];
  openSession(sessionId?: string): FakeSession;
  find(sessionId: string): FakeSession;
  /** Starts the turn, or finds it by its request_id. */
  startTurn(request: ChatRequest): FakeTurn;
  /** What the model does by itself with each new turn. */
  autoReply: (turn: FakeTurn) => void;
};

export function createFakeChat(): FakeChat {
  const chat: FakeChat = {
    sessions: new Map(),
    turns: new Map(),
    modelRuns: [],
    openSession(sessionId = `session-${chat.sessions.size + 1}`) {
      const session = createFakeSession(sessionId);
      chat.sessions.set(sessionId, session);
      return session;
    },
    find(sessionId) {
      const session = chat.sessions.get(sessionId);
      if (session === undefined || session.deleted) {
        throw refusal(Code.NotFound, "SESSION_NOT_FOUND");
      }
      return session;
    },
    startTurn(request) {
      const known = chat.turns.get(request.requestId);
      if (known !== undefined && request.requestId !== "") {
        if (known.request.message === request.message) return known;
        throw refusal(Code.AlreadyExists, "REQUEST_ID_REUSED");
      }
      const session = request.sessionId ? chat.find(request.sessionId) : chat.openSession();
      const turn = createFakeTurn(session, request, `turn-${chat.modelRuns.length + 1}`);
      chat.turns.set(request.requestId || turn.turnId, turn);
      chat.modelRuns.push(request);
      begin(turn);
      chat.autoReply(turn);
      return turn;
    },
    autoReply: () => {},
  };
  return chat;
}

function begin({ session, turnId, requestId, request }: FakeTurn): void {
  const userMessage = create(MessageSchema, {
    messageId: `question-of-${turnId}`,
    role: Role.USER,
    text: request.message,
    turnId,
    state: State.COMPLETE,
    requestId,
  });
  session.append({ type: EventType.STATUS, turnId, requestId, userMessage, model: "fake" });
  session.append({ type: EventType.RESPONSE_START, turnId, model: "fake" });
}

function createFakeTurn(session: FakeSession, request: ChatRequest, turnId: string): FakeTurn {
  let chunks = 0;
  const turn: FakeTurn = {
    turnId,
    requestId: request.requestId,
    request,
    session,
    chunk(chunkText, more) {
      chunks += 1;
      const chunk = { type: EventType.CHUNK, turnId, chunkText, chunkNumber: chunks };
      session.append({ ...chunk, ...more });
    },
    end(finishReason = FinishReason.STOP, more) {
      turn.ended = session.append({
        type: EventType.RESPONSE_COMPLETE,
        isFinal: true,
        turnId,
        finishReason,
        messageId: `reply-of-${turnId}`,
        totalChunks: chunks,
        ...more,
      });
      session.touch();
    },
    ended: undefined,
  };
  return turn;
}

function createFakeSession(sessionId: string): FakeSession {
  let next = Promise.withResolvers<void>();
  const session: FakeSession = {
    sessionId,
    log: [],
    epoch: 1,
    floor: 0n,
    deleted: false,
    lastSequence: () => session.log.at(-1)?.sequence ?? 0n,
    append(init) {
      const sequence = session.lastSequence() + 1n;
      const event = create(ChatResponseSchema, {
        sessionId,
        sequence,
        epoch: session.epoch,
        ...init,
      });
      session.log.push(event);
      session.touch();
      return event;
    },
    changed: () => next.promise,
    touch() {
      next.resolve();
      next = Promise.withResolvers();
    },
    messages: () => foldMessages(session.log),
  };
  return session;
}

/** The messages that a log comes to: what ListMessages answers, and what a consumer has to end up with. */
export function foldMessages(
  log: readonly ChatResponse[],
  onto: readonly Message[] = [],
): Message[] {
  const messages = onto.map((message) => ({ ...message }));
  for (const { userMessage, turnId, type, chunkText, sequence, isFinal, thought } of log) {
    if (userMessage) messages.push({ ...userMessage });
    if (thought) continue;
    let reply = messages.find((each) => each.turnId === turnId && each.role === Role.MODEL);
    if (type === EventType.RESPONSE_START) {
      const state = State.STREAMING;
      reply = create(MessageSchema, { role: Role.MODEL, turnId, state });
      messages.push(reply);
    }
    if (reply === undefined) continue;
    reply.text += chunkText;
    reply.sequence = sequence;
    if (isFinal) reply.state = State.COMPLETE;
  }
  return messages;
}

/** An error of the service, with its details. */
export function refusal(code: Code, reason: string, retryAfterMs?: number): ConnectError {
  const retryDelay = {
    seconds: BigInt(Math.floor((retryAfterMs ?? 0) / 1_000)),
    nanos: ((retryAfterMs ?? 0) % 1_000) * 1_000_000,
  };
  return new ConnectError(reason.toLowerCase(), code, undefined, [
    { desc: ErrorInfoSchema, value: { reason, domain: "chatwire" } },
    ...(retryAfterMs === undefined ? [] : [{ desc: RetryInfoSchema, value: { retryDelay } }]),
  ]);
}
