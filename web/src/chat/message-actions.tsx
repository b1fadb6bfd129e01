import type { MessageView } from "../session/session-view.ts";
import { CopyButton } from "../ui/copy-button.tsx";
import { focusIfLost } from "../ui/focus-if-lost.ts";
import { IconButton } from "../ui/icon-button.tsx";
import type { Chat } from "./use-chat.ts";

/** What can be done with a message. */
export function MessageActions({
  message,
  chat,
  isLast,
  isEditLeft,
  onEdit,
}: {
  message: MessageView;
  chat: Chat;
  isLast: boolean;
  /** It was about to be edited, so the focus goes back to what began that. */
  isEditLeft: boolean;
  onEdit: () => void;
}) {
  const { id, role, text } = message;
  return (
    <div className="actions">
      <CopyButton text={text} label={role === "user" ? "Copy message" : "Copy reply"} />
      {role === "user" && (
        <IconButton
          icon="pencil"
          label="Edit and send again"
          ref={isEditLeft ? focusIfLost : null}
          onClick={onEdit}
        />
      )}
      {/* Beside a reply that failed "Try again" is the same. */}
      {role === "model" && isLast && !chat.isBusy && message.errorReason === "" && (
        <IconButton icon="redo" label="Regenerate" onClick={() => chat.regenerate(id)} />
      )}
      <IconButton icon="fork" label="Fork from here" onClick={() => chat.fork(id)} />
    </div>
  );
}
