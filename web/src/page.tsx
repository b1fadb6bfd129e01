import { Suspense, useEffect, useState } from "react";
import { useApp, useObservable } from "./app-context.ts";
import { ChatPage } from "./chat/chat-page.tsx";
import { SideBar } from "./sessions/side-bar.tsx";
import { lazyComponent } from "./ui/lazy-component.ts";
import { NoticeList } from "./ui/notice-list.tsx";

const SignIn = lazyComponent(() => import("./settings/sign-in.tsx"), "SignIn");
const StatusPage = lazyComponent(() => import("./status/status-page.tsx"), "StatusPage");

/** The whole page: the side bar, and beside it a chat or the server's state. */
export function Page() {
  const { location, credential } = useApp();
  const route = useObservable(location.route);
  const { demand } = useObservable(credential.state);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const sessionId = route.page === "chat" ? route.sessionId : "";

  // Going anywhere closes the drawer.
  useEffect(() => setMenuOpen(false), [route]);

  if (demand !== "none") {
    return (
      <Suspense fallback={null}>
        <SignIn wasRefused={demand === "refused"} />
      </Suspense>
    );
  }
  const openMenu = () => setMenuOpen(true);
  return (
    <div className="page" data-menu={isMenuOpen || undefined}>
      <a className="skip-link" href="#main">
        Skip to the conversation
      </a>
      <SideBar currentId={sessionId} isOpen={isMenuOpen} onClose={() => setMenuOpen(false)} />
      <button
        type="button"
        className="scrim"
        aria-label="Close the list of chats"
        tabIndex={-1}
        onClick={() => setMenuOpen(false)}
      />
      <main id="main" tabIndex={-1}>
        {route.page === "status" ? (
          <Suspense fallback={null}>
            <StatusPage onMenu={openMenu} />
          </Suspense>
        ) : (
          <ChatPage key={sessionId} sessionId={sessionId} onMenu={openMenu} />
        )}
      </main>
      <NoticeList />
    </div>
  );
}
