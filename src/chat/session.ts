import type { Usage } from "./message.ts";

/** Who calls. Until there is authentication everybody is `anonymous`. */
export type Principal = string;

export const anonymous: Principal = "anonymous";

/** What a model is asked for; an absent field leaves the choice to the model. */
export type GenerationConfig = {
  temperature?: number;
  topP?: number;
  topK?: number;
  seed?: number;
  maxOutputTokens?: number;
  thinkingTokensMax?: number;
  stopSequences?: readonly string[];
  /** A JSON Schema that the reply must match. */
  responseJsonSchema?: string;
  includeThoughts?: boolean;
};

/** A conversation and its settings. */
export type Session = {
  sessionId: string;
  principal: Principal;
  /** The id of the model that answers, aliases resolved. */
  model: string;
  title: string;
  systemInstruction: string;
  generation: GenerationConfig;
  metadata: Readonly<Record<string, string>>;
  /** Milliseconds since 1970 UTC. */
  createdAt: number;
  updatedAt: number;
};

/** A session with what its turns have made of it. */
export type SessionDetails = Session & {
  userMessages: number;
  modelMessages: number;
  usage: Usage;
  /** Of the last event that the store knows of; the event log may be ahead while a turn runs. */
  lastSequence: number;
  epoch: number;
  runningTurnId: string;
  queuedTurnIds: readonly string[];
  forkedFromSessionId: string;
  /** Changes with every change of the settings. */
  etag: string;
  /** The first words of the latest message, for lists. */
  preview: string;
};
