import { errorWords } from "../client/error-words.ts";
import { Link } from "../route/link.tsx";
import { IconButton } from "../ui/icon-button.tsx";

/** Over a conversation that is shown, and whose changes cannot be read any more. */
export function NotFollowed({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  return (
    <div className="banner" role="alert">
      <p>
        <span className="pulse" aria-hidden="true" />
        {errorWords(error)} What is new does not come.
        <button type="button" className="quiet" onClick={onRetry}>
          Try again
        </button>
      </p>
    </div>
  );
}

/** In the place of a session that is not there, or cannot be read. */
export function GonePage({
  isGone,
  error,
  onMenu,
  onRetry,
}: {
  isGone: boolean;
  error: unknown;
  onMenu: () => void;
  onRetry: () => void;
}) {
  const title = isGone ? "No such chat" : "This chat cannot be read";
  return (
    <>
      <header className="bar">
        <title>{`${title} · chatwire`}</title>
        <IconButton
          className="menu-button"
          icon="menu"
          label="Open the list of chats"
          onClick={onMenu}
        />
        <h1>{title}</h1>
      </header>
      <div className="conversation empty" role="alert">
        <h2>{isGone ? "This chat is not there." : "Something is in the way."}</h2>
        <p>
          {isGone
            ? "It was deleted, or it belongs to somebody else."
            : `${errorWords(error)} Nothing that you wrote is lost.`}
        </p>
        <div className="buttons">
          {!isGone && (
            <button type="button" className="primary" onClick={onRetry}>
              Try again
            </button>
          )}
          <Link
            className={isGone ? "button primary" : "button"}
            to={{ page: "chat", sessionId: "" }}
          >
            New chat
          </Link>
        </div>
      </div>
    </>
  );
}
