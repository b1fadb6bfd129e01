import { useEffect, useState } from "react";
import { useApp } from "../app-context.ts";
import type { Chat } from "./use-chat.ts";

/** A message that is being rewritten. */
export type Edit = {
  readonly messageId: string;
  /** What the message says. */
  readonly before: string;
  readonly text: string;
};

/** What of a chat is being rewritten, and how to go on. */
export type EditHandle = {
  readonly edit: Edit | undefined;
  /** Whether it was begun just now, and gets the focus. */
  readonly isFresh: boolean;
  begin(messageId: string, before: string): void;
  write(text: string): void;
  /** Forgets what was written. */
  end(): void;
};

/**
 * Keeps what is written while a message is edited beside the drafts: its row leaves the page when it is scrolled
 * out of sight. Where the message is replaced meanwhile, by another tab or another program, what was written goes
 * to the field of messages.
 */
export function useEdit({ sessionId, state, draft }: Chat): EditHandle {
  const { drafts, notices } = useApp();
  const key = `${sessionId}/edit`;
  const [edit, setEdit] = useState(() => readEdit(drafts.read(key)));
  const [isFresh, setFresh] = useState(false);
  const [seenId, setSeenId] = useState("");
  const change = (next: Edit | undefined) => {
    setEdit(next);
    drafts.write(key, next === undefined ? "" : JSON.stringify(next));
  };

  const { view, status } = state;
  const isThere = edit !== undefined && view.messages.some(({ id }) => id === edit.messageId);
  const isSeen = edit !== undefined && (seenId === edit.messageId || view.olderToken === "");
  const isReplaced = status === "ready" && isSeen && !isThere;
  useEffect(() => {
    if (isThere) setSeenId(edit.messageId);
    if (!isReplaced) return;
    change(undefined);
    if (edit.text.trim() === "" || edit.text === edit.before) return;
    draft.add(edit.text);
    notices.tell({
      text: "The message that you were editing was replaced. What you wrote is in the message field.",
      tone: "info",
      ms: 10_000,
    });
  }, [isThere, isReplaced]);

  return {
    edit,
    isFresh,
    begin(messageId, before) {
      setFresh(true);
      change({ messageId, before, text: before });
    },
    write(text) {
      setFresh(false);
      if (edit !== undefined) change({ ...edit, text });
    },
    end: () => change(undefined),
  };
}

function readEdit(stored: string): Edit | undefined {
  if (stored === "") return undefined;
  try {
    const { messageId, before, text } = JSON.parse(stored);
    return { messageId: String(messageId), before: String(before), text: String(text) };
  } catch {
    return undefined;
  }
}
