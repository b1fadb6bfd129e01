import type { Model, ModelFinishReason, ModelPart, ModelProvider } from "../../src/chat/model.ts";

/** What the models of a conversation do, and whom they tell. */
export type StepModelOptions = {
  onCall: (modelId: string) => void;
  /** Awaited after each chunk, so that each is in an append of its own. */
  afterChunk?: (modelId: string, chunk: number) => Promise<void>;
  /** Whether `hang` is what it says; else such a model stops like the others. */
  hangs: boolean;
};

const pattern = /^step:[a-z-]+:(\d+):(stop|max_tokens|hang)$/;

/** Models called `step:name:chunks:end`, which say `w1 w2 …` and then stop, have used their tokens up, or hang. */
export function createStepProvider(options: StepModelOptions): ModelProvider {
  return {
    name: "step",
    models: [],
    model(modelId) {
      const [, chunks, end] = pattern.exec(modelId) ?? [];
      if (chunks === undefined) return undefined;
      return createStepModel(modelId, Number(chunks), end as ModelFinishReason | "hang", options);
    },
  };
}

function createStepModel(
  modelId: string,
  chunks: number,
  end: ModelFinishReason | "hang",
  { onCall, afterChunk, hangs }: StepModelOptions,
): Model {
  return {
    info: {
      modelId,
      displayName: modelId,
      provider: "step",
      contextTokensMax: 100_000,
      outputTokensMax: 1_000,
      supportsAttachments: false,
      supportsThoughts: false,
    },
    async *generate(_request, signal): AsyncGenerator<ModelPart> {
      onCall(modelId);
      for (let chunk = 1; chunk <= chunks && !signal.aborted; chunk += 1) {
        yield { type: "text", text: `w${chunk} ` };
        await afterChunk?.(modelId, chunk);
      }
      if (end !== "hang") yield { type: "finish", reason: end };
      else if (hangs) await aborted(signal);
      else yield { type: "finish", reason: "stop" };
    },
  };
}

async function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}
