import type { MessageView } from "../session/session-view.ts";
import { ErrorBoundary } from "../ui/error-boundary.tsx";
import { MessageRow } from "./message-row.tsx";
import { OutgoingRow } from "./outgoing-row.tsx";
import type { Row } from "./rows.ts";
import { FailedRow, UnansweredRow, WaitingRow } from "./turn-rows.tsx";
import type { Chat } from "./use-chat.ts";
import type { EditHandle } from "./use-edit.ts";

/** One row of the conversation. */
export function RowView({
  row,
  chat,
  isLast,
  edits,
}: {
  row: Row;
  chat: Chat;
  isLast: boolean;
  edits: EditHandle;
}) {
  switch (row.kind) {
    case "older":
      return (
        <p className="older" role="status">
          Reading what came before…
        </p>
      );
    case "message":
      return (
        <ErrorBoundary
          resetKey={row.message}
          fallback={() => <PlainMessage message={row.message} />}
        >
          <MessageRow message={row.message} chat={chat} isLast={isLast} edits={edits} />
        </ErrorBoundary>
      );
    case "waiting":
      return <WaitingRow model={row.model} />;
    case "failed":
      return <FailedRow failed={row.failed} onRegenerate={() => chat.regenerate("")} />;
    case "unanswered":
      return <UnansweredRow onRegenerate={() => chat.regenerate("")} />;
    case "outgoing":
      return <OutgoingRow entry={row.entry} chat={chat} />;
  }
}

/** A message that could not be laid out: its text as it is. */
function PlainMessage({ message: { role, text } }: { message: MessageView }) {
  return (
    <article className="message" data-role={role} aria-label={role === "user" ? "You" : "Reply"}>
      <div className="plain-text">{text}</div>
    </article>
  );
}
