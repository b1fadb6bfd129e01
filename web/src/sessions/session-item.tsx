import { type FormEvent, useRef, useState } from "react";
import type { SessionSummary } from "../../../src/gen/chat/chat_pb.ts";
import { useApp, useObservable } from "../app-context.ts";
import { Link } from "../route/link.tsx";
import { titleFrom } from "../session/title.ts";
import { focusIfLost } from "../ui/focus-if-lost.ts";
import { IconButton } from "../ui/icon-button.tsx";

/** A session in the list, and what can be done with it as a whole. */
export function SessionItem({
  session,
  isCurrent,
}: {
  session: SessionSummary;
  isCurrent: boolean;
}) {
  const { deletions, forks, location, renames } = useApp();
  const [isRenamed, setRenamed] = useState(false);
  const wasRenamed = useRef(false);
  const { sessionId, running } = session;
  const newTitle = useObservable(renames.titles).get(sessionId);
  const known = session.title || titleFrom(session.preview) || "Untitled chat";
  const title = newTitle ?? known;
  const linkId = `session-${sessionId}`;
  if (isRenamed) {
    return (
      <li>
        <RenameForm
          title={title}
          onDone={(next, isByKey) => {
            wasRenamed.current = isByKey;
            setRenamed(false);
            if (next !== undefined && next !== title) {
              renames.begin({ sessionId, title: next, before: known });
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
        id={linkId}
        data-unsaved={newTitle !== undefined || undefined}
      >
        {running && <span className="pulse" role="img" aria-label="A reply is being written" />}
        <span className="session-title" dir="auto">
          {title}
        </span>
      </Link>
      <div className="session-actions">
        <IconButton
          icon="pencil"
          label={`Rename “${title}”`}
          ref={wasRenamed.current ? focusIfLost : null}
          onClick={() => setRenamed(true)}
        />
        <IconButton
          icon="fork"
          label={`Fork “${title}”`}
          onClick={() => forks.begin({ sessionId })}
        />
        <IconButton
          icon="trash"
          label={`Delete “${title}”`}
          onClick={() => {
            const goBack = () => {
              const route = location.route.get();
              const isOnNewChat = route.page === "chat" && route.sessionId === "";
              if (isOnNewChat) location.go({ page: "chat", sessionId });
            };
            // Once it is in the list again, and Undo, which had the focus, is gone.
            const onUndo = () => {
              if (isCurrent) goBack();
              else requestAnimationFrame(() => document.getElementById(linkId)?.focus());
            };
            deletions.remove({ sessionId, title, onUndo });
            if (isCurrent) location.go({ page: "chat", sessionId: "" });
          }}
        />
      </div>
    </li>
  );
}

/** `onDone` gets the new title, or undefined where it stays, and whether a key ended it. */
function RenameForm({
  title,
  onDone,
}: {
  title: string;
  onDone: (title: string | undefined, isByKey: boolean) => void;
}) {
  const [text, setText] = useState(title);
  const finish = (event?: FormEvent) => {
    event?.preventDefault();
    onDone(text.trim() === "" ? undefined : text.trim(), event !== undefined);
  };
  return (
    <form className="rename" onSubmit={finish}>
      <input
        aria-label="Title"
        dir="auto"
        // biome-ignore lint/a11y/noAutofocus: the button that was pressed asks for it.
        autoFocus
        maxLength={200}
        value={text}
        onFocus={(event) => event.target.select()}
        onChange={(event) => setText(event.target.value)}
        onBlur={() => finish()}
        onKeyDown={(event) => {
          if (event.key === "Escape") onDone(undefined, true);
        }}
      />
    </form>
  );
}
