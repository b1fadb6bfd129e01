import type { Part } from "../../src/chat/message.ts";
import type {
  Model,
  ModelInfo,
  ModelPart,
  ModelProvider,
  ModelRequest,
} from "../../src/chat/model.ts";

export type Generate = (request: ModelRequest, signal: AbortSignal) => AsyncIterable<ModelPart>;

export const finish: ModelPart = { type: "finish", reason: "stop" };

/** A model that answers as the function does. */
export function createModel(generate: Generate, info: Partial<ModelInfo> = {}): Model {
  return {
    info: {
      modelId: "test",
      displayName: "Test",
      provider: "test",
      contextTokensMax: 10_000,
      outputTokensMax: 1_000,
      supportsAttachments: false,
      supportsThoughts: true,
      ...info,
    },
    generate,
  };
}

/** A provider of this one model. */
export function createTestProvider(model: Model): ModelProvider {
  const { modelId } = model.info;
  return {
    name: "test",
    models: [model],
    model: (id) => (id === modelId ? model : undefined),
  };
}

/** Yields these parts; a string is a text. */
export function saying(...parts: readonly (string | ModelPart)[]): Generate {
  return async function* () {
    for (const part of parts) yield typeof part === "string" ? textPart(part) : part;
  };
}

/** Yields these parts, and then nothing, whatever its signal says. */
export function deafAfter(...parts: readonly (string | ModelPart)[]): Generate {
  return async function* (request, signal) {
    yield* saying(...parts)(request, signal);
    await new Promise<never>(() => {});
  };
}

/** Yields these parts, then waits for its signal and throws its reason, as a good adapter does. */
export function waitingAfter(...parts: readonly (string | ModelPart)[]): Generate {
  return async function* (request, signal) {
    yield* saying(...parts)(request, signal);
    signal.throwIfAborted();
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    await promise;
  };
}

/** Yields these parts and throws the error. */
export function failingAfter(error: unknown, ...parts: readonly (string | ModelPart)[]): Generate {
  return async function* (request, signal) {
    yield* saying(...parts)(request, signal);
    throw error;
  };
}

export function textPart(text: string): Part {
  return { type: "text", text };
}

export function thoughtPart(text: string): Part {
  return { type: "thought", text };
}
