import { memo } from "react";
import { Markdown } from "../markdown/markdown.tsx";
import type { MessageView } from "../session/session-view.ts";
import { EditMessage } from "./edit-message.tsx";
import { MessageActions } from "./message-actions.tsx";
import { ReplyEnd } from "./reply-end.tsx";
import type { Chat } from "./use-chat.ts";

/** A message with what can be done with it. */
export function MessageRow({
  message,
  chat,
  isLast,
  isEdited,
  onEdit,
}: {
  message: MessageView;
  chat: Chat;
  isLast: boolean;
  isEdited: boolean;
  onEdit: (messageId: string) => void;
}) {
  const { id, role, state } = message;
  if (isEdited) {
    return (
      <EditMessage
        text={message.text}
        onCancel={() => onEdit("")}
        onSave={(text) => {
          onEdit("");
          chat.edit(id, text);
        }}
      />
    );
  }
  return (
    <article
      className="message"
      data-role={role}
      data-state={state}
      aria-label={role === "user" ? "You" : "Reply"}
      aria-busy={state === "streaming"}
    >
      {role === "user" ? <div className="bubble">{message.text}</div> : <Reply message={message} />}
      {state === "queued" && (
        <p className="queued">
          Waits for its turn.{" "}
          <button type="button" className="quiet" onClick={() => chat.cancel(message.turnId)}>
            Withdraw
          </button>
        </p>
      )}
      {role === "model" && <ReplyEnd message={message} chat={chat} isLast={isLast} />}
      {state !== "queued" && state !== "streaming" && (
        <MessageActions message={message} chat={chat} isLast={isLast} onEdit={onEdit} />
      )}
    </article>
  );
}

const Reply = memo(function Reply({ message }: { message: MessageView }) {
  const { text, thoughts, state } = message;
  const isStreaming = state === "streaming";
  return (
    <>
      {thoughts !== "" && (
        <details className="thoughts" key="thoughts">
          <summary>{isStreaming && text === "" ? "Thinking…" : "Thoughts"}</summary>
          <Markdown text={thoughts} isStreaming={isStreaming && text === ""} />
        </details>
      )}
      <Markdown text={text} isStreaming={isStreaming} />
    </>
  );
});
