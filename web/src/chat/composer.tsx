import { type FormEvent, type KeyboardEvent, useRef, useState } from "react";
import { Icon } from "../ui/icon.tsx";

/** Where a message is written. While a reply comes, an empty one offers Stop and another waits its turn. */
export function Composer({
  initialText,
  isBusy,
  onDraft,
  onSend,
  onStop,
}: {
  initialText: string;
  isBusy: boolean;
  onDraft: (text: string) => void;
  onSend: (text: string) => void;
  onStop: () => void;
}) {
  const [text, setText] = useState(initialText);
  const field = useRef<HTMLTextAreaElement>(null);
  const isEmpty = text.trim() === "";
  const write = (next: string) => {
    setText(next);
    onDraft(next);
  };
  const submit = (event: FormEvent | KeyboardEvent) => {
    event.preventDefault();
    if (isEmpty) return;
    onSend(text);
    write("");
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // A dictionary's candidates are chosen with Enter too.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    submit(event);
  };
  return (
    <form className="composer" onSubmit={submit}>
      <div className="composer-box">
        <textarea
          ref={field}
          rows={1}
          value={text}
          placeholder={isBusy ? "Write the next message; it will wait its turn" : "Write a message"}
          aria-label="Message"
          // biome-ignore lint/a11y/noAutofocus: it is what a chat page is for.
          autoFocus={matchMedia("(hover: hover)").matches}
          onChange={(event) => write(event.target.value)}
          onKeyDown={onKeyDown}
        />
        {isBusy && isEmpty ? (
          <button
            type="button"
            className="round stop"
            aria-label="Stop"
            title="Stop"
            onClick={onStop}
          >
            <Icon name="stop" />
          </button>
        ) : (
          <button
            type="submit"
            className="round primary"
            aria-label="Send"
            title="Send (Enter)"
            disabled={isEmpty}
          >
            <Icon name="send" />
          </button>
        )}
      </div>
      <p className="hint">Enter sends, Shift + Enter makes a new line. Models make mistakes.</p>
    </form>
  );
}
