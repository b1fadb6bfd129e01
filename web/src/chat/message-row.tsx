import { memo, useRef } from "react";
import { Markdown } from "../markdown/markdown.tsx";
import type { MessageView } from "../session/session-view.ts";
import { EditMessage } from "./edit-message.tsx";
import { MessageActions } from "./message-actions.tsx";
import { ReplyEnd } from "./reply-end.tsx";
import type { Chat } from "./use-chat.ts";
import type { EditHandle } from "./use-edit.ts";

/** A message with what can be done with it. */
export function MessageRow({
  message,
  chat,
  isLast,
  edits,
}: {
  message: MessageView;
  chat: Chat;
  isLast: boolean;
  edits: EditHandle;
}) {
  const { id, role, state } = message;
  const isLeft = useRef(false);
  if (edits.edit?.messageId === id) {
    return (
      <EditMessage
        text={edits.edit.text}
        takesFocus={edits.isFresh}
        onWrite={edits.write}
        onCancel={() => {
          isLeft.current = true;
          edits.end();
        }}
        onSave={(text) => {
          isLeft.current = false;
          edits.end();
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
      {role === "user" ? <Bubble text={message.text} /> : <Reply message={message} />}
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
        <MessageActions
          message={message}
          chat={chat}
          isLast={isLast}
          isEditLeft={isLeft.current}
          onEdit={() => edits.begin(id, message.text)}
        />
      )}
    </article>
  );
}

function Bubble({ text }: { text: string }) {
  return (
    <div className="bubble" dir="auto">
      {text}
    </div>
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
