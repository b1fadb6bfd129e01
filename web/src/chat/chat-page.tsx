import { Suspense, useState } from "react";
import { useApp } from "../app-context.ts";
import { useSessionSettings } from "../settings/use-session-settings.ts";
import { lazyComponent } from "../ui/lazy-component.ts";
import { ChatHeader } from "./chat-header.tsx";
import { Composer } from "./composer.tsx";
import { ConnectionBanner } from "./connection-banner.tsx";
import { Conversation } from "./conversation.tsx";
import { EmptyChat } from "./empty-chat.tsx";
import { GonePage, NotFollowed } from "./gone-page.tsx";
import { useChat } from "./use-chat.ts";
import { useTyping } from "./use-typing.ts";

const SettingsDialog = lazyComponent(
  () => import("../settings/settings-dialog.tsx"),
  "SettingsDialog",
);

/** A session's conversation, or the place where a new one begins. */
export function ChatPage({ sessionId, onMenu }: { sessionId: string; onMenu: () => void }) {
  const { drafts } = useApp();
  const chat = useChat(sessionId);
  const { status, view } = chat.state;
  const settings = useSessionSettings(sessionId, chat.state.info);
  const [isSettingsOpen, setSettingsOpen] = useState(false);
  const isTyping = useTyping(view);
  const isNew = sessionId === "" && chat.entries.length === 0;

  if (status === "gone" || (status === "failed" && view.messages.length === 0)) {
    return (
      <GonePage
        isGone={status === "gone"}
        error={chat.state.error}
        onMenu={onMenu}
        onRetry={chat.retry}
      />
    );
  }
  return (
    <>
      <ChatHeader
        sessionId={sessionId}
        settings={settings}
        onMenu={onMenu}
        onSettings={() => setSettingsOpen(true)}
      />
      <ConnectionBanner />
      {status === "failed" && <NotFollowed error={chat.state.error} onRetry={chat.retry} />}
      {isNew ? <EmptyChat onPick={chat.send} /> : <Conversation chat={chat} />}
      <p className="typing" aria-live="polite">
        {isTyping ? "Somebody else is writing…" : ""}
      </p>
      <Composer
        key={sessionId}
        initialText={drafts.read(sessionId)}
        onDraft={(text) => drafts.write(sessionId, text)}
        isBusy={chat.isBusy}
        onSend={chat.send}
        onStop={chat.stop}
      />
      {isSettingsOpen && (
        <Suspense fallback={null}>
          <SettingsDialog settings={settings} onClose={() => setSettingsOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
