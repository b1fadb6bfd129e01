import type { FormEvent, KeyboardEvent } from "react";
import { isSendKey } from "./send-key.ts";

/** A message of the user that is being rewritten; what came after it goes when it is sent. */
export function EditMessage({
  text,
  takesFocus,
  onWrite,
  onSave,
  onCancel,
}: {
  text: string;
  takesFocus: boolean;
  onWrite: (text: string) => void;
  onSave: (text: string) => void;
  onCancel: () => void;
}) {
  const submit = (event: FormEvent | KeyboardEvent) => {
    event.preventDefault();
    if (text.trim() !== "") onSave(text);
  };
  return (
    <form className="message edit-message" data-role="user" onSubmit={submit}>
      <textarea
        aria-label="Your message"
        // biome-ignore lint/a11y/noAutofocus: the button that was pressed asks for it.
        autoFocus={takesFocus}
        dir="auto"
        value={text}
        onChange={(event) => onWrite(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onCancel();
          if (isSendKey(event.nativeEvent)) submit(event);
        }}
      />
      <p className="small">What came after this message will be replaced.</p>
      <div className="buttons">
        <button type="button" className="quiet" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={text.trim() === ""}>
          Send
        </button>
      </div>
    </form>
  );
}
