import { setImmediate as nextLoop } from "node:timers/promises";
import {
  type Model,
  ModelError,
  type ModelFinishReason,
  type ModelPart,
  type ModelRequest,
} from "./model.ts";

/** How long a model may take, milliseconds each. */
export type ModelTimeouts = {
  /** From the call to the first part. Longer than any thinking time. */
  firstChunkTimeoutMs: number;
  /** Between two parts. */
  idleChunkTimeoutMs: number;
  /** From the call to the end. */
  turnTimeoutMs: number;
};

type GenerateOptions = {
  signal: AbortSignal;
  timeouts: ModelTimeouts;
  onPart: (part: Exclude<ModelPart, { type: "finish" }>) => void;
};

/** After this many parts the event loop gets its turn, so that a model that never waits can be stopped. */
const partsPerLoop = 64;

/**
 * Has a model answer, and hands on each part as it comes. Resolves with why the model finished; undefined
 * when its stream ended without saying why. What goes wrong after it has said why is not told: the reply
 * is whole by then.
 *
 * Throws `signal`'s reason when it aborts, ModelError `deadline_exceeded` when a timeout passes, and what
 * the model throws. In every case the model is aborted and, deaf to that or not, no longer waited for.
 */
export async function generate(
  model: Model,
  request: ModelRequest,
  { signal, timeouts, onPart }: GenerateOptions,
): Promise<ModelFinishReason | undefined> {
  signal.throwIfAborted();
  const abort = new AbortController();
  const forward = () => abort.abort(signal.reason);
  signal.addEventListener("abort", forward, { once: true });
  const silence = watchSilence(timeouts, (error) => abort.abort(error));
  const nextOrAbort = createNextOrAbort<ModelPart>(abort.signal);

  let parts: AsyncIterator<ModelPart> | undefined;
  let finish: ModelFinishReason | undefined;
  try {
    parts = model.generate(request, abort.signal)[Symbol.asyncIterator]();
    for (let count = 1; ; count += 1) {
      const next = await nextOrAbort(parts);
      if (next.done) return finish;
      silence.heard();
      if (next.value.type === "finish") finish ??= next.value.reason;
      else onPart(next.value);
      if (count % partsPerLoop === 0) await nextLoop();
    }
  } catch (error) {
    if (finish !== undefined && !signal.aborted) return finish;
    throw error;
  } finally {
    silence.stop();
    signal.removeEventListener("abort", forward);
    abort.abort("the turn is over");
    // Not awaited: a model that is deaf to its signal would keep the turn open.
    Promise.try(() => parts?.return?.()).catch(() => undefined);
  }
}

/** Gives an iterator's next result; throws the signal's reason as soon as it aborts. */
function createNextOrAbort<T>(signal: AbortSignal) {
  // One listener for the whole reply: adding one for each part is what a part would cost most.
  let rejectNext: (reason: unknown) => void = () => {};
  signal.addEventListener("abort", () => rejectNext(signal.reason), { once: true });
  return (iterator: AsyncIterator<T>): Promise<IteratorResult<T>> => {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      rejectNext = reject;
      iterator.next().then(resolve, (error: unknown) => {
        // A model that throws because it was aborted is not the news; why it was aborted is.
        reject(signal.aborted ? signal.reason : error);
      });
    });
  };
}

/** Calls `onTimeout` once, with the reason, when the model has been silent or busy for too long. */
function watchSilence(timeouts: ModelTimeouts, onTimeout: (error: ModelError) => void) {
  const { firstChunkTimeoutMs, idleChunkTimeoutMs, turnTimeoutMs } = timeouts;
  const after = (ms: number, error: () => ModelError) => setTimeout(() => onTimeout(error()), ms);

  const turn = after(turnTimeoutMs, () =>
    timedOut("MODEL_TURN_TIMEOUT", `the reply took longer than ${turnTimeoutMs / 1000} s`),
  );
  let silence = after(firstChunkTimeoutMs, () =>
    timedOut(
      "MODEL_FIRST_CHUNK_TIMEOUT",
      `the model was silent for ${firstChunkTimeoutMs / 1000} s`,
    ),
  );
  let first = true;
  return {
    heard() {
      if (!first) {
        silence.refresh();
        return;
      }
      first = false;
      clearTimeout(silence);
      silence = after(idleChunkTimeoutMs, () =>
        timedOut("MODEL_IDLE_TIMEOUT", `the model fell silent for ${idleChunkTimeoutMs / 1000} s`),
      );
    },
    stop() {
      clearTimeout(turn);
      clearTimeout(silence);
    },
  };
}

function timedOut(
  reason: "MODEL_FIRST_CHUNK_TIMEOUT" | "MODEL_IDLE_TIMEOUT" | "MODEL_TURN_TIMEOUT",
  message: string,
): ModelError {
  return new ModelError("deadline_exceeded", reason, message, { retryable: true });
}
