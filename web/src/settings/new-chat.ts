import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { GenerationConfigSchema } from "../../../src/gen/chat/chat_pb.ts";
import { createObservable, type Observable } from "../client/observable.ts";
import { readStored, type TextStore, writeStored } from "../client/stored.ts";
import type { SessionSettings } from "./session-settings.ts";

/** The settings of the session that the next message opens. */
export interface NewChat {
  readonly settings: Observable<SessionSettings>;
  set(settings: SessionSettings): void;
}

const name = "chatwire.new-chat";
/** Everything is left to the server and the model. */
export const blankSettings: SessionSettings = {
  modelId: "",
  systemInstruction: "",
  generation: undefined,
};

/** Keeps them for the tab, so that a reload forgets nothing. */
export function createNewChat(store: TextStore): NewChat {
  const settings = createObservable(readSettings(store));
  return {
    settings,
    set(next) {
      const { generation, ...rest } = next;
      const json = generation && toJsonString(GenerationConfigSchema, generation);
      writeStored(store, name, JSON.stringify({ ...rest, generation: json }));
      settings.set(next);
    },
  };
}

function readSettings(store: TextStore): SessionSettings {
  try {
    const kept = JSON.parse(readStored(store, name) ?? "{}") as Record<string, string | undefined>;
    return {
      modelId: kept.modelId ?? "",
      systemInstruction: kept.systemInstruction ?? "",
      generation: kept.generation
        ? fromJsonString(GenerationConfigSchema, kept.generation)
        : undefined,
    };
  } catch {
    return blankSettings;
  }
}
