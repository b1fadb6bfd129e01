import { Suspense, useState } from "react";
import { titleFrom } from "../session/title.ts";
import { useSessionSettings } from "../settings/use-session-settings.ts";
import { BrokenPart } from "../ui/broken-part.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { lazyComponent } from "../ui/lazy-component.tsx";
import { ChatHeader } from "./chat-header.tsx";
import { Composer } from "./composer.tsx";
import { ConnectionBanner } from "./connection-banner.tsx";
import { Conversation } from "./conversation.tsx";
import { EmptyChat } from "./empty-chat.tsx";
import { GonePage, NotFollowed } from "./gone-page.tsx";
import { type Chat, useChat } from "./use-chat.ts";
import { useTyping } from "./use-typing.ts";

const SettingsDialog = lazyComponent(
  () => import("../settings/settings-dialog.tsx"),
  "SettingsDialog",
  ({ onClose, onRetry }) => (
    <Dialog title="Settings of this chat" onClose={onClose}>
      <BrokenPart onRetry={onRetry} />
    </Dialog>
  ),
);

/** A session's conversation, or the place where a new one begins. */
export function ChatPage({
  sessionId,
  newChatId,
  onMenu,
}: {
  sessionId: string;
  newChatId: string;
  onMenu: () => void;
}) {
  const chat = useChat(sessionId, newChatId);
  const { status, view } = chat.state;
  const settings = useSessionSettings(sessionId, chat.state.info, chat.entries[0]);
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
        opening={openingOf(chat)}
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
        key={chat.draft.version}
        initialText={chat.draft.read()}
        onDraft={chat.draft.write}
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

/** The first words of a chat; of a long one they may not be read yet. */
function openingOf({ state: { info, view } }: Chat): string {
  if (info === undefined) return "";
  const first = view.olderToken === "" ? view.messages[0]?.text : "";
  return titleFrom(first ?? "") || "Untitled chat";
}
