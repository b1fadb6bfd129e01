import { type Chunk, createChunker } from "./chunker.ts";
import type { Clock } from "./clock.ts";
import { buildContext, type Context } from "./context.ts";
import { ChatError, storageUnavailable } from "./errors.ts";
import type { EventBody, NewEvent } from "./event.ts";
import type { EventLog } from "./event-log.ts";
import { generate, type ModelTimeouts } from "./generate.ts";
import type { FinishReason, Part, Usage } from "./message.ts";
import type { Model, ModelPart } from "./model.ts";
import { addChunk, toTurnEnd } from "./reply.ts";
import { retryUntil } from "./retry.ts";
import type { Store } from "./store.ts";
import { estimateUsage } from "./tokens.ts";
import type { Turn, TurnEnd, TurnError } from "./turn.ts";
import { createTurnWriter } from "./turn-writer.ts";

/** Why a turn is ended from outside; the reason with which its signal is aborted. */
export type Stop = {
  finishReason: "cancelled" | "interrupted";
  error?: TurnError;
};

export type TurnRunOptions = {
  turn: Turn;
  fence: number;
  model: Model;
  /** Messages in the session before this turn. */
  messagesBefore: number;
  store: Store;
  log: EventLog;
  clock: Clock;
  timeouts: ModelTimeouts;
  /** Aborted with a Stop to end the turn. */
  signal: AbortSignal;
  /** Aborted when the process can wait no longer for a storage that takes no writes. */
  givenUp: AbortSignal;
  /** Called when the log or the store did not take what readers wait for. */
  onStorageFailure: (error: ChatError) => void;
  /** Called with what ended the turn early, where that was not a Stop; for the operator. */
  onError: (error: unknown) => void;
};

type Outcome = { finishReason: FinishReason; error?: TurnError };

/**
 * Runs a turn that was acquired, from STATUS to its one end (DESIGN section 2, rule 5), and resolves with
 * the end once it is in the event log and in the store. Storage that fails is tried again until it takes
 * the end or `givenUp` aborts; then it rejects, and the next start of the program ends the turn.
 */
export async function runTurn(options: TurnRunOptions): Promise<TurnEnd> {
  const { turn, fence, model, log, clock, givenUp } = options;
  const startedMs = clock.monotonicMs();
  const storageFailed = new AbortController();
  const reply = createReply();
  const tellReaders = (error: unknown) => {
    const failure = error instanceof ChatError ? error : storageUnavailable(error);
    options.onStorageFailure(failure);
    return failure;
  };

  const writer = createTurnWriter({
    log,
    sessionId: turn.sessionId,
    turnId: turn.turnId,
    fence,
    onRecorded: reply.record,
    onFailure: (error) => storageFailed.abort(interruption(tellReaders(error))),
  });
  const elapsedMs = () => Math.round(clock.monotonicMs() - startedMs);
  const event: Run["event"] = (body) => ({ ...body, at: clock.now(), elapsedMs: elapsedMs() });

  const run: Run = { ...options, writer, reply, event, stopped: storageFailed.signal };
  const outcome = await answer(run);

  const end = event({
    type: "end",
    ...outcome,
    model: model.info.modelId,
    messageId: turn.replyMessageId,
    usage: reply.usage(),
    totalChunks: reply.chunks(),
    messageCount: options.messagesBefore + (reply.parts().length > 0 ? 2 : 1),
    ...(reply.firstChunkMs !== undefined && { firstChunkMs: reply.firstChunkMs }),
    processingMs: elapsedMs(),
    ...(reply.signature !== undefined && { signature: reply.signature }),
    // A turn's first event carries its question (DESIGN section 2, rule 4).
    ...(writer.recorded() === 0 && { userMessage: turn.userMessage }),
  });
  const recorded = await retryUntil(givenUp, () => writer.append(end), tellReaders);
  const stored = toTurnEnd(turn, fence, recorded, reply.parts());
  await retryUntil(givenUp, () => options.store.endTurn(stored), tellReaders);
  return stored;
}

type Run = TurnRunOptions & {
  writer: ReturnType<typeof createTurnWriter>;
  reply: Reply;
  event: <B extends EventBody>(body: B) => B & Pick<NewEvent, "at" | "elapsedMs">;
  /** Aborted with a Stop when the log has failed. */
  stopped: AbortSignal;
};

/** Has the model answer and records what it says; never throws. */
async function answer(run: Run): Promise<Outcome> {
  const { turn, model, store, writer, reply } = run;
  const signal = AbortSignal.any([run.signal, run.stopped]);
  const chunker = createChunker(turn.chunkBy);
  const record = (chunks: readonly Chunk[]) => {
    for (const chunk of chunks) recordChunk(run, chunk);
  };
  try {
    const context = await buildContext(store, turn, model.info);
    reply.setInput(context);
    writer.push(run.event(status(run, context)));
    await writer.flush();
    const finish = await generate(model, context.request, {
      signal,
      timeouts: run.timeouts,
      onPart: (part) => {
        beginReply(run, part);
        if (part.type === "usage") return reply.setUsage(part.usage);
        if (part.type === "text" && part.signature !== undefined) reply.signature = part.signature;
        record(chunker.push(part.text, part.type === "thought"));
      },
    });
    record(chunker.flush());
    await writer.flush();
    return finish === undefined ? incomplete : { finishReason: finish };
  } catch (error) {
    record(chunker.flush());
    await writer.flush().catch(() => undefined);
    // Both signals are aborted with a Stop.
    if (signal.aborted) return signal.reason as Stop;
    run.onError(error);
    return outcomeOf(error);
  }
}

function status(run: Run, context: Context): EventBody {
  return {
    type: "status",
    model: run.model.info.modelId,
    contextMessages: context.request.messages.length,
    userMessage: run.turn.userMessage,
  };
}

function beginReply(run: Run, part: ModelPart): void {
  if (run.reply.firstChunkMs !== undefined || part.type === "usage") return;
  const { model, turn, reply, writer } = run;
  const messageId = turn.replyMessageId;
  const start = run.event({ type: "start", model: model.info.modelId, messageId });
  reply.firstChunkMs = start.elapsedMs;
  writer.push(start);
}

function recordChunk(run: Run, { text, thought }: Chunk): void {
  const number = run.reply.nextChunkNumber();
  run.writer.push(run.event({ type: "chunk", text, number, ...(thought && { thought }) }));
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
function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof ChatError)) {
    const message = "the model failed in a way that its adapter does not know";
    return failed(new ChatError("internal", "MODEL_FAILED", message, { cause: error }));
  }
  if (error.reason === "STORAGE_UNAVAILABLE") return interruption(error);
  return failed(error);
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

type Reply = ReturnType<typeof createReply>;

/** What of the reply is recorded so far; a chunk whose append failed was never part of it. */
function createReply() {
  const parts: Part[] = [];
  let recordedChunks = 0;
  let pushedChunks = 0;
  let inputTokens = 0;
  let reported: Usage | undefined;
  return {
    firstChunkMs: undefined as number | undefined,
    signature: undefined as string | undefined,
    record(events: readonly NewEvent[]) {
      for (const event of events) {
        if (event.type !== "chunk") continue;
        addChunk(parts, event);
        recordedChunks += 1;
      }
    },
    setInput(context: Context) {
      inputTokens = context.inputTokens;
    },
    setUsage(usage: Usage) {
      reported = usage;
    },
    nextChunkNumber: () => (pushedChunks += 1),
    chunks: () => recordedChunks,
    parts: () => parts,
    usage: () => reported ?? estimateUsage(inputTokens, parts),
  };
}
