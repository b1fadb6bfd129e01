import type { MessageView } from "../session/session-view.ts";
import { CopyButton } from "../ui/copy-button.tsx";
import { IconButton } from "../ui/icon-button.tsx";
import type { Chat } from "./use-chat.ts";

/** What can be done with a message. */
export function MessageActions({
  message,
  chat,
  isLast,
  onEdit,
}: {
  message: MessageView;
  chat: Chat;
  isLast: boolean;
  onEdit: (messageId: string) => void;
}) {
  const { id, role, text } = message;
  return (
    <div className="actions">
      <CopyButton text={text} label={role === "user" ? "Copy message" : "Copy reply"} />
      {role === "user" && (
        <IconButton icon="pencil" label="Edit and send again" onClick={() => onEdit(id)} />
      )}
      {role === "model" && isLast && !chat.isBusy && (
        <IconButton icon="redo" label="Regenerate" onClick={() => chat.regenerate(id)} />
      )}
      <IconButton icon="fork" label="Fork from here" onClick={() => chat.fork(id)} />
    </div>
  );
}
