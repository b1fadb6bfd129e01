import { useDeferredValue, useEffect, useRef, useState } from "react";
import { useApp, useObservable } from "../app-context.ts";
import { Link } from "../route/link.tsx";
import { Icon } from "../ui/icon.tsx";
import { IconButton } from "../ui/icon-button.tsx";
import { SessionList } from "./session-list.tsx";

/** The chats, and the way to everything else; on a narrow screen a drawer. */
export function SideBar({
  currentId,
  isOpen,
  onClose,
}: {
  currentId: string;
  isOpen: boolean;
  onClose: () => void;
}) {
  const { credential, signOut } = useApp();
  const { token } = useObservable(credential.state);
  const [query, setQuery] = useState("");
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      search.current?.focus();
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, []);
  return (
    <nav
      className="side-bar"
      data-open={isOpen || undefined}
      aria-label="Chats"
      onKeyDown={(event) => {
        if (event.key === "Escape" && isOpen) onClose();
      }}
    >
      <header className="bar">
        <Link className="brand" to={{ page: "chat", sessionId: "" }}>
          chatwire
        </Link>
        <IconButton
          className="menu-button"
          icon="close"
          label="Close the list of chats"
          onClick={onClose}
        />
      </header>
      <Link className="button new-chat" to={{ page: "chat", sessionId: "" }}>
        <Icon name="plus" /> New chat
      </Link>
      <label className="search">
        <Icon name="search" />
        <input
          ref={search}
          type="search"
          aria-label="Search in chats"
          aria-keyshortcuts="Control+K"
          placeholder="Search"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      </label>
      <SessionList query={useDeferredValue(query.trim())} currentId={currentId} />
      <footer>
        <Link to={{ page: "status" }}>
          <Icon name="chart" /> Status
        </Link>
        {token !== "" && (
          <button type="button" className="quiet" onClick={signOut}>
            <Icon name="signOut" /> Sign out
          </button>
        )}
      </footer>
    </nav>
  );
}
