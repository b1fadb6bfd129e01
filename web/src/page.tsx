import { Suspense, useCallback, useEffect, useState } from "react";
import { useApp, useObservable } from "./app-context.ts";
import { ChatPage } from "./chat/chat-page.tsx";
import { SideBar } from "./sessions/side-bar.tsx";
import { Part } from "./ui/broken-part.tsx";
import { lazyComponent } from "./ui/lazy-component.tsx";
import { MissingPage } from "./ui/missing-page.tsx";
import { NoticeList } from "./ui/notice-list.tsx";

const SignIn = lazyComponent(() => import("./settings/sign-in.tsx"), "SignIn");
const StatusPage = lazyComponent(() => import("./status/status-page.tsx"), "StatusPage");

/** The whole page: the side bar, and beside it a chat or the server's state. */
export function Page() {
  const { location, credential, chatKey } = useApp();
  const route = useObservable(location.route);
  const { demand } = useObservable(credential.state);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const { sessionId, newChatId = "" } = route.page === "chat" ? route : { sessionId: "" };

  const openMenu = useCallback(() => setMenuOpen(true), []);
  const closeMenu = useCallback(() => setMenuOpen(false), []);

  // Going anywhere closes the drawer, and a wide screen has none.
  useEffect(closeMenu, [route]);
  useEffect(() => {
    const wide = matchMedia("(min-width: 48.01rem)");
    wide.addEventListener("change", closeMenu);
    return () => wide.removeEventListener("change", closeMenu);
  }, [closeMenu]);

  if (demand !== "none") {
    return (
      <Suspense fallback={null}>
        <SignIn wasRefused={demand === "refused"} />
      </Suspense>
    );
  }
  return (
    <div className="page" data-menu={isMenuOpen || undefined}>
      <a className="skip-link" href="#main" inert={isMenuOpen}>
        Skip to the conversation
      </a>
      <Part>
        <SideBar currentId={sessionId} isOpen={isMenuOpen} onOpen={openMenu} onClose={closeMenu} />
      </Part>
      <button
        type="button"
        className="scrim"
        aria-label="Close the list of chats"
        tabIndex={-1}
        onClick={closeMenu}
      />
      <main id="main" tabIndex={-1} inert={isMenuOpen}>
        <Part resetKey={route}>
          {route.page === "missing" ? (
            <MissingPage onMenu={openMenu} />
          ) : route.page === "status" ? (
            <Suspense fallback={null}>
              <StatusPage onMenu={openMenu} />
            </Suspense>
          ) : (
            <ChatPage
              key={chatKey(sessionId, newChatId)}
              sessionId={sessionId}
              newChatId={newChatId}
              onMenu={openMenu}
            />
          )}
        </Part>
      </main>
      <NoticeList />
    </div>
  );
}
