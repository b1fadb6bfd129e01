import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";
import { focusIfLost } from "../ui/focus-if-lost.ts";
import { Icon } from "../ui/icon.tsx";
import { isSendKey } from "./send-key.ts";
import { tooLongWords } from "./too-long.ts";

/** Where a message is written. While a reply comes it can be stopped, and another message waits its turn. */
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
  const [error, setError] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);
  const isEmpty = text.trim() === "";
  // The button that asked for a reply is gone while it comes, and with it the focus.
  useEffect(() => {
    if (isBusy && hasPointer()) focusIfLost(field.current);
  }, [isBusy]);
  const write = (next: string) => {
    setText(next);
    setError("");
    onDraft(next);
  };
  const submit = (event: FormEvent | KeyboardEvent) => {
    event.preventDefault();
    if (isEmpty) return;
    const refusal = tooLongWords(text);
    if (refusal !== undefined) return setError(refusal);
    // The draft is of the chat as it is before this message begins it.
    write("");
    onSend(text);
    field.current?.focus();
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
          dir="auto"
          aria-invalid={error !== ""}
          aria-describedby="composer-hint"
          // biome-ignore lint/a11y/noAutofocus: it is what a chat page is for.
          autoFocus={hasPointer()}
          onChange={(event) => write(event.target.value)}
          onKeyDown={(event) => {
            if (isSendKey(event.nativeEvent)) submit(event);
          }}
        />
        {/* Beside Send and not in its place, where the second click of a double click would press it. */}
        {isBusy && (
          <button
            type="button"
            className="round stop"
            aria-label="Stop"
            title="Stop"
            onClick={onStop}
          >
            <Icon name="stop" />
          </button>
        )}
        <button
          type="submit"
          className="round primary"
          aria-label="Send"
          title="Send (Enter)"
          disabled={isEmpty}
        >
          <Icon name="send" />
        </button>
      </div>
      <p id="composer-hint" className="hint" role={error === "" ? undefined : "alert"}>
        {error || "Enter sends, Shift + Enter makes a new line. Models make mistakes."}
      </p>
    </form>
  );
}

/** On a touch screen a focus would open the keyboard over the conversation. */
function hasPointer(): boolean {
  return matchMedia("(hover: hover)").matches;
}
