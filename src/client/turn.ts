import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import {
  type CancelTurnResponse,
  type ChatRequest,
  ChatRequestSchema,
  type ChatResponse,
  OnDisconnect,
} from "../gen/chat/chat_pb.ts";
import { createTurnCancel } from "./cancel-turn.ts";
import type { OnConnection } from "./connection.ts";
import { type ClientContext, hold, linkedController } from "./context.ts";
import { clientClosed } from "./errors.ts";
import { follow } from "./follow.ts";
import { createPipe } from "./pipe.ts";
import type { HeaderFields } from "./token.ts";
import { outcomeOf, TurnError } from "./turn-error.ts";
import type { TurnResult } from "./turn-result.ts";
import { createTurnStream, type TurnStream } from "./turn-stream.ts";

/** The fields of ChatRequest that the caller may set beside the message. */
export type TurnFields = Partial<
  Pick<
    MessageInitShape<typeof ChatRequestSchema> & object,
    | "type"
    | "timestamp"
    | "requestId"
    | "afterSequence"
    | "afterEpoch"
    | "onBusy"
    | "onDisconnect"
    | "generation"
    | "attachments"
    | "messageId"
    | "chunkBy"
    | "modelId"
    | "systemInstruction"
  >
>;

/**
 * How a turn is sent: fields of ChatRequest, and what the client needs. To come back to a turn, pass the
 * `requestId` that it was sent with, the same content, and `afterSequence`.
 */
export type SendOptions = TurnFields & {
  /** Leaves the turn, which then goes on by its onDisconnect; `result` throws. Stop is `cancel`. */
  signal?: AbortSignal;
  headers?: HeaderFields;
  onConnection?: OnConnection;
};

/** A turn that was sent. Sending begins at once, whether or not anybody reads the events. */
export interface Turn {
  /** Sent with each attempt; keep it to come back to the turn after a restart of the program. */
  readonly requestId: string;
  /** Empty until it is learnt. */
  readonly sessionId: string;
  /** Empty until it is learnt. */
  readonly turnId: string;
  /**
   * The turn's recorded events and the session's that belong to no turn, in order, none twice. One consumer;
   * `break` leaves the turn as `signal` does. Throws a TurnError where `result` does.
   */
  readonly events: AsyncIterableIterator<ChatResponse>;
  /**
   * How the turn ended. Whoever reads `events` must read them to the end; if nobody does they are dropped. A
   * turn that failed is a result with `failure`. Throws a TurnError when the end was not seen.
   */
  result(): Promise<TurnResult>;
  /**
   * Stops the turn on the server, also before anything is known of it and after it was left; what had arrived is
   * kept. Resolves when its end is recorded. `cancelled` is false where it came to another end, or never began.
   * Throws what CancelTurn does once it cannot be asked: after `close`, or when the session is gone.
   */
  cancel(): Promise<Pick<CancelTurnResponse, "cancelled" | "turnId">>;
}

/**
 * Sends one turn, and sends it again with the same request_id after each loss until its end is heard. The
 * model runs once (DESIGN section 2, rule 7).
 */
export function sendTurn(
  context: ClientContext,
  target: { sessionId: string; message: string },
  { signal: leaveSignal, headers, onConnection, ...fields }: SendOptions = {},
): Turn {
  const request = toRequest(context, target, fields);
  const { requestId } = request;
  const { controller, unlink } = linkedController(context.closed, leaveSignal);
  const { signal } = controller;
  let eventsAreRead = false;
  let eventsAreDropped = false;
  const pipe = createPipe<ChatResponse>({
    bounds: context.buffer,
    onStart: () => {
      eventsAreRead = true;
    },
    async onLeave() {
      controller.abort(clientClosed());
      await ended;
    },
  });
  const stream = createTurnStream(context, request, {
    signal,
    headers,
    onConnection,
    onNews: () => cancel.news(),
    async deliver(event) {
      if (eventsAreDropped && !eventsAreRead) return;
      await pipe.push(event, event.chunkText.length + (event.userMessage?.text.length ?? 0));
    },
  });
  const cancel = createTurnCancel(context, stream, { requestId, signal });
  const ended = run();
  hold(context, ended);

  async function run(): Promise<TurnResult | TurnError> {
    signal.addEventListener("abort", pipe.discard, { once: true });
    let end: TurnResult | TurnError;
    try {
      end = await hearAll(context, stream, { signal, onConnection, cancel });
    } catch (error) {
      end = toTurnError(error, stream, requestId);
    }
    signal.removeEventListener("abort", pipe.discard);
    unlink();
    pipe.end(end instanceof TurnError ? end : undefined);
    cancel.ended(end);
    onConnection?.({ state: "closed" });
    return end;
  }

  return {
    requestId,
    get sessionId() {
      return stream.sessionId();
    },
    get turnId() {
      return stream.turnId();
    },
    events: pipe.items,
    async result() {
      // A reader that begins in the same moment, as in Promise.all, comes first.
      await Promise.resolve();
      if (!eventsAreRead) {
        eventsAreDropped = true;
        pipe.discard();
      }
      const end = await ended;
      if (end instanceof TurnError) throw end;
      return end;
    },
    cancel: cancel.cancel,
  };
}

function toRequest(
  context: ClientContext,
  target: { sessionId: string; message: string },
  fields: TurnFields,
): ChatRequest {
  const request = create(ChatRequestSchema, { ...fields, ...target });
  request.requestId ||= context.newRequestId();
  // A stream that is given up is reset, and on native gRPC a reset cancels the turn where this is
  // unspecified (DESIGN section 2, rule 9). GRACE is what unspecified means everywhere else.
  request.onDisconnect ||= OnDisconnect.GRACE;
  return request;
}

type HearAll = {
  signal: AbortSignal;
  onConnection: OnConnection | undefined;
  cancel: ReturnType<typeof createTurnCancel>;
};

async function hearAll(
  context: ClientContext,
  stream: TurnStream,
  { signal, onConnection, cancel }: HearAll,
): Promise<TurnResult> {
  await follow(context, {
    signal,
    onConnection,
    budgetMs: context.retry.turnBudgetMs,
    async attempt(endpoint, retry) {
      await cancel.beforeAttempt();
      await stream.attempt(endpoint, retry);
      return "done";
    },
    onFailure(error) {
      if (error.cause instanceof TurnError) throw error.cause;
      return error;
    },
  });
  return stream.result() as TurnResult;
}

function toTurnError(thrown: unknown, stream: TurnStream, requestId: string): TurnError {
  if (thrown instanceof TurnError) return thrown;
  const ids = { requestId, sessionId: stream.sessionId(), turnId: stream.turnId() };
  const error = ConnectError.from(thrown);
  const doubtful = stream.isDoubtful();
  return new TurnError(outcomeOf(error, { started: ids.turnId !== "", doubtful }), error, ids);
}
