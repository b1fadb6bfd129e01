import { Suspense, useEffect } from "react";
import { finishWords } from "../session/finish-words.ts";
import type { SessionView } from "../session/session-view.ts";
import { lazyComponent } from "../ui/lazy-component.tsx";
import type { Chat } from "./use-chat.ts";

/** What shows messages is large, and is loaded while they are read. */
const loadMessageList = () => import("./message-list.tsx");
// A failure of it is told where it is shown.
loadMessageList().catch(() => undefined);
const MessageList = lazyComponent(loadMessageList, "MessageList");

/** The messages, once they and what shows them are there. */
export function Conversation({ chat }: { chat: Chat }) {
  const isLoading = chat.state.status === "loading" && chat.entries.length === 0;
  const { running } = chat.state.view;
  return (
    <>
      {isLoading ? (
        <LoadingMessages />
      ) : (
        <Suspense fallback={<LoadingMessages />}>
          <MessageList chat={chat} />
        </Suspense>
      )}
      <Announcer chat={chat} key={running?.turnId ?? "idle"} />
    </>
  );
}

/** Says to screen readers that a reply is written, and how it ended; the text itself would be too much. */
function Announcer({ chat }: { chat: Chat }) {
  const { view } = chat.state;
  useEffect(() => {
    document.body.dataset.reply = view.running === undefined ? "idle" : "running";
  }, [view.running]);
  return (
    <p className="visually-hidden" role="status">
      {announcementOf(view)}
    </p>
  );
}

/** A turn without a reply is told by the card that stands in its place. */
function announcementOf({ running, failed, messages }: SessionView): string {
  if (running !== undefined) return "A reply is being written.";
  const last = messages.findLast(({ state }) => state !== "queued");
  if (last?.role !== "model" || failed !== undefined) return "";
  const finish = finishWords(last.finishReason, "");
  return finish === undefined ? "The reply is complete." : `${finish.title}.`;
}

/** Holds the place of the messages while they are read. */
function LoadingMessages() {
  return (
    <div className="conversation" aria-busy="true">
      <p className="visually-hidden">Reading the messages…</p>
      <div className="skeleton" aria-hidden="true">
        <span />
        <span />
        <span />
      </div>
    </div>
  );
}
