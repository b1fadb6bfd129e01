import { textOf, type Usage } from "../chat/message.ts";
import type { Model, ModelPart, ModelProvider, ModelRequest } from "../chat/model.ts";
import { answer } from "./eliza-engine.ts";
import { createPace, type PaceOptions } from "./pace.ts";

export type ElizaOptions = PaceOptions & {
  /** The pace of the reply; 0 or Infinity for no pauses (ELIZA_WORDS_PER_SECOND). */
  wordsPerSecond: number;
};

/** About as fast as a person speaks and another reads along. */
export const elizaWordsPerSecondDefault = 6;

/** Offline: one model, `eliza`, that needs neither key nor network. It has nobody to check. */
export function createElizaProvider(options: ElizaOptions): ModelProvider {
  const eliza = createEliza(options);
  return {
    name: "eliza",
    models: [eliza],
    model: (modelId) => (modelId === eliza.info.modelId ? eliza : undefined),
  };
}

/**
 * Weizenbaum's DOCTOR. It looks at the history alone, so the same history gets the same reply, and ignores
 * the system instruction and the sampling options. `maxOutputTokens` counts words, and so does the usage,
 * which is therefore marked as estimated; `stopSequences` are obeyed.
 */
function createEliza({ wordsPerSecond, ...paceOptions }: ElizaOptions): Model {
  const intervalMs =
    wordsPerSecond > 0 && Number.isFinite(wordsPerSecond) ? 1_000 / wordsPerSecond : 0;
  return {
    info: {
      modelId: "eliza",
      displayName: "Eliza (offline)",
      provider: "eliza",
      contextTokensMax: 32_768,
      outputTokensMax: 1_024,
      supportsAttachments: false,
      supportsThoughts: false,
    },
    async *generate(request, signal): AsyncGenerator<ModelPart> {
      if (signal.aborted) return;
      const reply = beforeStop(answer(request.messages), request.generation.stopSequences ?? []);
      const words = wordsOf(reply);
      const wordsMax = request.generation.maxOutputTokens ?? words.length;
      const due = createPace(intervalMs, signal, paceOptions);
      for (const [index, text] of words.slice(0, wordsMax).entries()) {
        await due(index);
        if (signal.aborted) return;
        yield { type: "text", text };
      }
      yield { type: "usage", usage: usageOf(request, Math.min(words.length, wordsMax)) };
      yield { type: "finish", reason: words.length > wordsMax ? "max_tokens" : "stop" };
    },
  };
}

/** Words, each with the whitespace after it. */
function wordsOf(text: string): string[] {
  return text.match(/\S+\s*/g) ?? [];
}

function beforeStop(text: string, stopSequences: readonly string[]): string {
  const ends = stopSequences.filter((stop) => stop !== "").map((stop) => text.indexOf(stop));
  return text.slice(0, Math.min(text.length, ...ends.filter((end) => end !== -1)));
}

function usageOf({ systemInstruction, messages }: ModelRequest, outputTokens: number): Usage {
  const inputTokens = messages.reduce(
    (sum, { parts }) => sum + wordsOf(textOf(parts)).length,
    wordsOf(systemInstruction).length,
  );
  return {
    inputTokens,
    outputTokens,
    thinkingTokens: 0,
    cachedTokens: 0,
    totalTokens: inputTokens + outputTokens,
    estimated: true,
  };
}
