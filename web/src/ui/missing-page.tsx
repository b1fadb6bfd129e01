import { Link } from "../route/link.tsx";
import { IconButton } from "./icon-button.tsx";

/** At an address that is no page's. */
export function MissingPage({ onMenu }: { onMenu: () => void }) {
  return (
    <>
      <header className="bar">
        <title>No such page · chatwire</title>
        <IconButton
          className="menu-button"
          icon="menu"
          label="Open the list of chats"
          onClick={onMenu}
        />
        <h1>No such page</h1>
      </header>
      <div className="conversation empty" role="alert">
        <h2>There is no such page.</h2>
        <p>The address may be cut off, or misspelt.</p>
        <div className="buttons">
          <Link className="button primary" to={{ page: "chat", sessionId: "" }}>
            New chat
          </Link>
        </div>
      </div>
    </>
  );
}
