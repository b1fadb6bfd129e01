import { MessageRow } from "./message-row.tsx";
import { OutgoingRow } from "./outgoing-row.tsx";
import type { Row } from "./rows.ts";
import { FailedRow, UnansweredRow, WaitingRow } from "./turn-rows.tsx";
import type { Chat } from "./use-chat.ts";

/** One row of the conversation. */
export function RowView({
  row,
  chat,
  isLast,
  isEdited,
  onEdit,
}: {
  row: Row;
  chat: Chat;
  isLast: boolean;
  isEdited: boolean;
  onEdit: (messageId: string) => void;
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
        <MessageRow
          message={row.message}
          chat={chat}
          isLast={isLast}
          isEdited={isEdited}
          onEdit={onEdit}
        />
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
