import { Suspense, useEffect } from "react";
import { FinishReason } from "../../../src/gen/chat/chat_pb.ts";
import { finishWords } from "../session/finish-words.ts";
import { lazyComponent } from "../ui/lazy-component.ts";
import type { Chat } from "./use-chat.ts";

/** What shows messages is large, and is loaded while they are read. */
const loading = import("./message-list.tsx");
const MessageList = lazyComponent(() => loading, "MessageList");

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
  const reply = view.messages.findLast(({ role }) => role === "model");
  const finish = finishWords(reply?.finishReason ?? FinishReason.UNSPECIFIED, "");
  const ended = finish === undefined ? "The reply is complete." : `${finish.title}.`;
  const words = view.running === undefined ? ended : "A reply is being written.";
  useEffect(() => {
    document.body.dataset.reply = view.running === undefined ? "idle" : "running";
  }, [view.running]);
  return (
    <p className="visually-hidden" role="status">
      {view.messages.length === 0 ? "" : words}
    </p>
  );
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
