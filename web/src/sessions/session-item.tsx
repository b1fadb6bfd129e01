import { type FormEvent, useState } from "react";
import type { SessionSummary } from "../../../src/gen/chat/chat_pb.ts";
import { useApp } from "../app-context.ts";
import { errorWords } from "../client/error-words.ts";
import { Link } from "../route/link.tsx";
import { titleFrom } from "../session/title.ts";
import { IconButton } from "../ui/icon-button.tsx";

/** A session in the list, and what can be done with it as a whole. */
export function SessionItem({
  session,
  isCurrent,
}: {
  session: SessionSummary;
  isCurrent: boolean;
}) {
  const { chat, deletions, location, notices, noteError } = useApp();
  const [isRenamed, setRenamed] = useState(false);
  const { sessionId, running } = session;
  const title = session.title || titleFrom(session.preview) || "Untitled chat";
  const handle = chat.session(sessionId);
  const report = (error: unknown) => {
    noteError(error);
    notices.tell({ text: errorWords(error), tone: "error" });
  };
  if (isRenamed) {
    return (
      <li>
        <RenameForm
          title={title}
          onDone={(next) => {
            setRenamed(false);
            if (next !== undefined && next !== title) {
              handle.update({ title: next, updateMask: ["title"] }).catch(report);
            }
          }}
        />
      </li>
    );
  }
  return (
    <li className="session-item" data-current={isCurrent || undefined}>
      <Link
        to={{ page: "chat", sessionId }}
        aria-current={isCurrent ? "page" : undefined}
        title={title}
      >
        {running && <span className="pulse" role="img" aria-label="A reply is being written" />}
        <span className="session-title">{title}</span>
      </Link>
      <div className="session-actions">
        <IconButton icon="pencil" label={`Rename “${title}”`} onClick={() => setRenamed(true)} />
        <IconButton
          icon="fork"
          label={`Fork “${title}”`}
          onClick={() =>
            void handle
              .fork()
              .then((forked) => location.go({ page: "chat", sessionId: forked.sessionId }))
              .catch(report)
          }
        />
        <IconButton
          icon="trash"
          label={`Delete “${title}”`}
          onClick={() => {
            deletions.remove({ sessionId, title });
            if (isCurrent) location.go({ page: "chat", sessionId: "" });
          }}
        />
      </div>
    </li>
  );
}

/** `onDone` gets the new title, or undefined where it stays. */
function RenameForm({
  title,
  onDone,
}: {
  title: string;
  onDone: (title: string | undefined) => void;
}) {
  const [text, setText] = useState(title);
  const finish = (event?: FormEvent) => {
    event?.preventDefault();
    onDone(text.trim() === "" ? undefined : text.trim());
  };
  return (
    <form className="rename" onSubmit={finish}>
      <input
        aria-label="Title"
        // biome-ignore lint/a11y/noAutofocus: the button that was pressed asks for it.
        autoFocus
        maxLength={200}
        value={text}
        onFocus={(event) => event.target.select()}
        onChange={(event) => setText(event.target.value)}
        onBlur={() => finish()}
        onKeyDown={(event) => {
          if (event.key === "Escape") onDone(undefined);
        }}
      />
    </form>
  );
}
