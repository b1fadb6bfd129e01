import { type RefObject, useDeferredValue, useEffect, useRef, useState } from "react";
import { useApp, useObservable } from "../app-context.ts";
import { Link } from "../route/link.tsx";
import { Icon } from "../ui/icon.tsx";
import { IconButton } from "../ui/icon-button.tsx";
import { SessionList } from "./session-list.tsx";

/** The chats, and the way to everything else; on a narrow screen a drawer. */
export function SideBar({
  currentId,
  isOpen,
  onOpen,
  onClose,
}: {
  currentId: string;
  /** On a narrow screen, where it is a drawer over the page. */
  isOpen: boolean;
  onOpen: () => void;
  onClose: () => void;
}) {
  const { credential, signOut } = useApp();
  const { token } = useObservable(credential.state);
  const [query, setQuery] = useState("");
  const drawer = useRef<HTMLElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const wantsSearch = useRef(false);
  useDrawerFocus(drawer, isOpen, wantsSearch);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      if (isOpen || !isDrawer(drawer.current)) {
        search.current?.focus();
      } else {
        wantsSearch.current = true;
        onOpen();
      }
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, [isOpen, onOpen]);
  return (
    <nav
      ref={drawer}
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

/** The focus goes into the drawer with its opening, and back to what opens it. */
function useDrawerFocus(
  drawer: RefObject<HTMLElement | null>,
  isOpen: boolean,
  wantsSearch: RefObject<boolean>,
): void {
  const wasOpen = useRef(false);
  useEffect(() => {
    // The search alone when it was asked for: it brings up the keyboard of a phone.
    const first = wantsSearch.current ? "input[type=search]" : ".menu-button";
    wantsSearch.current = false;
    if (isOpen) drawer.current?.querySelector<HTMLElement>(first)?.focus();
    else if (wasOpen.current && isLost(drawer.current)) {
      document.querySelector<HTMLElement>("main .menu-button")?.focus();
    }
    wasOpen.current = isOpen;
  }, [drawer, isOpen, wantsSearch]);
}

/** Whether it lies over the page, as the style sheet has it on a narrow screen. */
function isDrawer(element: HTMLElement | null): boolean {
  return element !== null && getComputedStyle(element).position === "fixed";
}

function isLost(drawer: HTMLElement | null): boolean {
  const { activeElement, body } = document;
  return activeElement === null || activeElement === body || !!drawer?.contains(activeElement);
}
