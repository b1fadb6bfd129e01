import type { SessionInfoResponse } from "../../../src/gen/chat/chat_pb.ts";
import { useApp, useObservable } from "../app-context.ts";
import { errorWords } from "../client/error-words.ts";
import type { SessionSettings } from "./session-settings.ts";

/** A session's title, also one that is not saved yet, its settings, and how to change the latter. */
export type SessionSettingsHandle = {
  readonly title: string;
  readonly current: SessionSettings;
  /** Saves them; for a chat that is about to begin they are kept for its first message. */
  readonly save: (settings: SessionSettings) => void;
};

/**
 * The settings of a session. An empty id is the chat that is to begin, or one that its first message, `opener`,
 * is about to open.
 */
export function useSessionSettings(
  sessionId: string,
  info: SessionInfoResponse | undefined,
  opener: SessionSettings | undefined,
): SessionSettingsHandle {
  const { newChat, chat, notices, renames, sessions } = useApp();
  const newTitle = useObservable(renames.titles).get(sessionId);
  const kept = useObservable(newChat.settings);
  if (sessionId === "" && opener === undefined) {
    return { title: "", current: kept, save: newChat.set };
  }
  if (sessionId === "" && opener !== undefined) {
    const text = "This chat is still being opened. Change its settings in a moment.";
    return { title: "", current: opener, save: () => notices.tell({ text, tone: "info" }) };
  }
  return {
    title: newTitle ?? info?.title ?? "",
    current: {
      modelId: info?.model ?? "",
      systemInstruction: info?.systemInstruction ?? "",
      generation: info?.generation,
    },
    save({ generation, ...settings }) {
      const request = { ...settings, ...(generation && { generation }), etag: info?.etag ?? "" };
      const updateMask = ["model_id", "system_instruction", "generation"];
      chat
        .session(sessionId)
        .update({ ...request, updateMask })
        .catch((error: unknown) => {
          const text = `The settings were not saved. ${errorWords(error)}`;
          notices.tell({ text, tone: "error" });
        })
        .finally(() => void sessions.loadInfo(sessionId));
    },
  };
}
