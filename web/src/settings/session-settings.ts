import type { GenerationConfig } from "../../../src/gen/chat/chat_pb.ts";

/** What can be set of a session beside its title. */
export type SessionSettings = {
  /** Empty: the server's default model. */
  readonly modelId: string;
  readonly systemInstruction: string;
  /** Undefined: everything is left to the model. */
  readonly generation: GenerationConfig | undefined;
};
