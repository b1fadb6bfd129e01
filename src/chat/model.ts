import {
  ChatError,
  type ChatErrorKind,
  type ChatErrorOptions,
  type ModelErrorReason,
} from "./errors.ts";
import type { Part, Role, Usage } from "./message.ts";
import type { GenerationConfig } from "./session.ts";

/** What is known of a model before it is called. */
export type ModelInfo = {
  modelId: string;
  displayName: string;
  /** The adapter that reaches it: eliza, gemini, openai, scripted. */
  provider: string;
  /** The window: instruction, history and reply together, tokens. */
  contextTokensMax: number;
  outputTokensMax: number;
  supportsAttachments: boolean;
  supportsThoughts: boolean;
};

/** What a model is given. */
export type ModelRequest = {
  /** Empty for none. */
  systemInstruction: string;
  /** Oldest first; the last is the user's. User and model need not alternate. */
  messages: readonly { role: Role; parts: readonly Part[] }[];
  generation: GenerationConfig;
  /** W3C Trace Context of the run, for the provider's call. */
  traceParent?: string | undefined;
};

/** What a model yields, in any order but for `finish`, after which only `usage` may come. */
export type ModelPart =
  | Part
  | {
      /** Counts so far, each replacing the one before; the last one holds. */
      type: "usage";
      usage: Usage;
    }
  | { type: "finish"; reason: ModelFinishReason };

/** Why the model stopped by itself. Anything a provider says that we do not know is `other`. */
export type ModelFinishReason = "stop" | "max_tokens" | "safety" | "other";

/** A generative model. The engine keeps the history, the timeouts and the log; a model only answers. */
export interface Model {
  readonly info: ModelInfo;

  /**
   * Answers once. The adapter aborts its provider when `signal` does, within 100 ms, and also when the
   * consumer stops reading; the iterable then ends or throws, whichever, soon. The text of the parts,
   * concatenated, is the provider's byte for byte.
   *
   * An iterable that ends without a `finish` part is an INCOMPLETE reply. A failure throws ModelError;
   * anything else that is thrown counts as `internal`/MODEL_FAILED.
   */
  generate(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelPart>;
}

/** What a start-up check of a provider found, in words for the operator. */
export type ProviderCheck =
  | { outcome: "accepted"; detail: string }
  | { outcome: "rejected" | "unreachable"; detail: string /** How to mend it. */; advice: string };

/** The models that one adapter reaches. Adding a provider is one file that makes one of these. */
export interface ModelProvider {
  readonly name: string;
  /** The models to list. */
  readonly models: readonly Model[];
  /** The model of that id, listed or made to order (`scripted:50x20`); undefined when it is not ours. */
  model(modelId: string): Model | undefined;
  /** One cheap authenticated call; absent where there is nobody to ask. Never throws. */
  check?(signal: AbortSignal): Promise<ProviderCheck>;
}

/** A failure of a model or its provider. */
export class ModelError extends ChatError {
  constructor(
    kind: ChatErrorKind,
    reason: ModelErrorReason,
    message: string,
    options?: ChatErrorOptions,
  ) {
    super(kind, reason, message, options);
  }
}
