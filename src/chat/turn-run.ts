import type { Chunk } from "./chunker.ts";
import type { Clock } from "./clock.ts";
import { buildContext, type Context } from "./context.ts";
import { cutReply } from "./cut-reply.ts";
import { ChatError, storageUnavailable } from "./errors.ts";
import type { EventBody, NewEvent } from "./event.ts";
import type { EventLog } from "./event-log.ts";
import { generate, type ModelTimeouts } from "./generate.ts";
import type { LiveTurn, Stop } from "./live-turn.ts";
import type { FinishReason, Usage } from "./message.ts";
import type { ModelPart } from "./model.ts";
import type { ModelCatalog } from "./model-catalog.ts";
import type { RunObserver } from "./observer.ts";
import type { Store } from "./store.ts";
import { estimateUsage } from "./tokens.ts";
import type { TurnEnd, TurnError } from "./turn.ts";
import { endOf, messagesReplaced, questionOf, recordEnd } from "./turn-end.ts";
import { createTurnWriter, type TurnWriter } from "./turn-writer.ts";

export type TurnRunOptions = {
  live: LiveTurn;
  fence: number;
  /** In the history when the run begins, the question included. */
  messagesBefore: number;
  models: ModelCatalog;
  store: Store;
  log: EventLog;
  clock: Clock;
  timeouts: ModelTimeouts;
  /** Aborted when the process can wait no longer for a storage that takes no writes. */
  givenUp: AbortSignal;
  observer: RunObserver;
  /** Called with what ended the turn early, where that was not a Stop; for the operator. */
  onError: (error: unknown) => void;
};

/** How a run came out, before it is recorded. */
export type Outcome = { finishReason: FinishReason; error?: TurnError };

/**
 * Runs a turn that was acquired, from STATUS to its one end (DESIGN section 2, rule 5), and resolves with
 * the end once it is in the event log and in the store. Storage that fails is tried again until it takes
 * the end or `givenUp` aborts; then it rejects, and the next start of the program ends the turn.
 */
export async function runTurn(options: TurnRunOptions): Promise<TurnEnd> {
  const { live, fence, log, clock } = options;
  const startedMs = clock.monotonicMs();
  const storageFailed = new AbortController();
  const writer = createTurnWriter({
    log,
    sessionId: live.turn.sessionId,
    turnId: live.turn.turnId,
    fence,
    recorded: live.recorded,
    onRecorded(events) {
      const isTold = live.hasToldReplaced();
      live.record(events);
      if (!isTold && live.hasToldReplaced()) hideReplaced(options);
    },
    onFailure: (error) => {
      const failure = error instanceof ChatError ? error : storageUnavailable(error);
      live.fail(failure);
      storageFailed.abort(interruption(failure));
    },
  });
  const run: Run = {
    ...options,
    writer,
    signal: AbortSignal.any([live.signal, storageFailed.signal]),
    elapsedMs: () => Math.round(clock.monotonicMs() - startedMs),
    inputTokens: 0,
    usage: undefined,
    signature: undefined,
    firstChunkMs: undefined,
    lastPartMs: startedMs,
    nextChunkNumber: 1,
  };
  const outcome = await answer(run);
  const { firstChunkMs, signature } = run;
  const told = {
    ...outcome,
    model: live.turn.model,
    usage: run.usage ?? estimateUsage(run.inputTokens, live.parts()),
    processingMs: run.elapsedMs(),
    ...(firstChunkMs !== undefined && { firstChunkMs }),
    ...(signature !== undefined && { signature }),
  };
  const end = endOf(live, told, options.messagesBefore);
  return recordEnd({ ...options, writer }, end);
}

/** What one run keeps while it goes on. */
type Run = TurnRunOptions & {
  writer: TurnWriter;
  /** Aborted with a Stop when the turn is to end, or its log has failed. */
  signal: AbortSignal;
  elapsedMs: () => number;
  inputTokens: number;
  usage: Usage | undefined;
  signature: string | undefined;
  firstChunkMs: number | undefined;
  /** When the last part of the reply came, or else the run began, by the monotonic clock. */
  lastPartMs: number;
  nextChunkNumber: number;
};

/** Has the model answer and records what it says; never throws. */
async function answer(run: Run): Promise<Outcome> {
  const { live, store, writer, signal } = run;
  const reply = cutReply({
    chunkBy: live.turn.chunkBy,
    now: () => moment(run),
    onChunk: (chunk, given) => writer.push({ ...chunkBody(run, chunk), ...given }),
  });
  try {
    // A turn that waited may find its model gone from the configuration.
    const model = run.models.resolve(live.turn.model);
    const context = await buildContext(store, live.turn, model.info);
    run.inputTokens = context.inputTokens;
    writer.pushAll(beginning(run, context));
    await writer.flush();
    const { traceParent } = run.observer;
    const finish = await generate(
      model,
      { ...context.request, traceParent },
      {
        signal,
        timeouts: run.timeouts,
        onPart: (part) => {
          if (part.type === "usage") {
            run.usage = part.usage;
            return;
          }
          observePart(run);
          beginReply(run, part);
          reply.push(part.text, part.type === "thought");
        },
      },
    );
    reply.finish();
    await writer.flush();
    return finish === undefined ? incomplete : { finishReason: finish };
  } catch (error) {
    reply.finish();
    await writer.flush().catch(() => undefined);
    // Both signals are aborted with a Stop.
    if (signal.aborted) return signal.reason as Stop;
    run.onError(error);
    return outcomeOf(error);
  }
}

function event(run: Run, body: EventBody): NewEvent {
  return { ...body, ...moment(run) };
}

function moment(run: Run) {
  return { at: run.clock.now(), elapsedMs: run.elapsedMs() };
}

/** STATUS, with the question unless a `turn_queued` has told it; an edit says with it what it replaces. */
function beginning(run: Run, context: Context): NewEvent[] {
  const { live } = run;
  const isFirst = live.recorded() === 0;
  const status = event(run, {
    type: "status",
    model: live.turn.model,
    contextMessages: context.request.messages.length,
    ...(isFirst && questionOf(live.turn)),
  });
  const replaces = isFirst && live.turn.type === "edit";
  return replaces ? [status, event(run, messagesReplaced(live.turn))] : [status];
}

function observePart(run: Run): void {
  const nowMs = run.clock.monotonicMs();
  const sinceMs = nowMs - run.lastPartMs;
  run.lastPartMs = nowMs;
  if (run.firstChunkMs === undefined) run.observer.firstChunk(sinceMs);
  else run.observer.nextChunk(sinceMs);
}

/** RESPONSE_START at the first part; a regenerated reply takes the old one's place with it (rule 15). */
function beginReply(run: Run, part: Exclude<ModelPart, { type: "usage" | "finish" }>): void {
  if (part.type === "text" && part.signature !== undefined) run.signature = part.signature;
  if (run.firstChunkMs !== undefined) return;
  const { live } = run;
  const { replyMessageId: messageId, type, replaces, model } = live.turn;
  const start = event(run, { type: "start", model, messageId });
  run.firstChunkMs = start.elapsedMs;
  const takesPlace = type === "regenerate" && replaces.length > 0;
  run.writer.pushAll(takesPlace ? [start, event(run, messagesReplaced(live.turn))] : [start]);
}

/** Lists show one reply from now on. That it failed is no matter: the turn's end does it again. */
function hideReplaced({ live, store }: TurnRunOptions): void {
  const { type, sessionId, replaces, turnId } = live.turn;
  if (type !== "regenerate") return;
  store.replaceMessages(sessionId, replaces, turnId).catch(() => undefined);
}

function chunkBody(run: Run, { text, thought }: Chunk): EventBody {
  const number = run.nextChunkNumber;
  run.nextChunkNumber += 1;
  return { type: "chunk", text, number, ...(thought && { thought }) };
}

const incomplete: Outcome = {
  finishReason: "incomplete",
  error: {
    kind: "unavailable",
    reason: "MODEL_INCOMPLETE",
    message: "the model's stream ended without saying why; the reply may be cut short",
    retryable: true,
  },
};

/** How a turn ended whose run threw: by a timeout, a failure of the model, or a fault of ours. */
function outcomeOf(reason: unknown): Outcome {
  if (!(reason instanceof ChatError)) {
    const message = "the model failed in a way that its adapter does not know";
    return failed(new ChatError("internal", "MODEL_FAILED", message, { cause: reason }));
  }
  if (reason.reason === "STORAGE_UNAVAILABLE") return interruption(reason);
  return failed(reason);
}

function failed(error: ChatError): Outcome {
  const finishReason = error.kind === "deadline_exceeded" ? "timeout" : "failed";
  return { finishReason, error: turnError(error) };
}

function interruption(error: ChatError): Stop {
  return { finishReason: "interrupted", error: turnError(error) };
}

/** What a turn's end tells of the error that ended it. */
export function turnError(error: ChatError): TurnError {
  const { kind, reason, message, retryable, retryAfterMs } = error;
  return { kind, reason, message, retryable, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}
