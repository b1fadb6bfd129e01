import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { GenerationConfigSchema } from "../../../src/gen/chat/chat_pb.ts";
import { createObservable, type Observable } from "../client/observable.ts";
import { readStored, type TextStore, writeStored } from "../client/stored.ts";
import type { SessionSettings } from "./session-settings.ts";

/** The chat that has not begun: the settings of the session that its first message opens. */
export interface NewChat {
  readonly settings: Observable<SessionSettings>;
  set(settings: SessionSettings): void;
  /** Tells it from those that have begun and are not opened on the server yet. */
  id(): string;
  /** The chat of this id has begun; the next one is another, of which the model alone is the same. */
  begin(id: string): void;
}

const name = "chatwire.new-chat";
/** Everything is left to the server and the model. */
export const blankSettings: SessionSettings = {
  modelId: "",
  systemInstruction: "",
  generation: undefined,
};

/** Keeps them for the tab, so that a reload forgets nothing. */
export function createNewChat(store: TextStore, newId: () => string): NewChat {
  const settings = createObservable(readSettings(store));
  let id = newId();
  const set = (next: SessionSettings) => {
    const { generation, ...rest } = next;
    const json = generation && toJsonString(GenerationConfigSchema, generation);
    writeStored(store, name, JSON.stringify({ ...rest, generation: json }));
    settings.set(next);
  };
  return {
    settings,
    set,
    id: () => id,
    begin(begunId) {
      if (begunId === id) id = newId();
      set({ ...blankSettings, modelId: settings.get().modelId });
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
