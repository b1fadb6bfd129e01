import { ModelSelect } from "../settings/model-select.tsx";
import type { SessionSettingsHandle } from "../settings/use-session-settings.ts";
import { IconButton } from "../ui/icon-button.tsx";

/** The chat's title, its model, and the way to its settings. */
export function ChatHeader({
  sessionId,
  opening,
  settings,
  onMenu,
  onSettings,
}: {
  sessionId: string;
  /** What a chat without a title is called; empty while that is not known. */
  opening: string;
  settings: SessionSettingsHandle;
  onMenu: () => void;
  onSettings: () => void;
}) {
  const title = sessionId === "" ? "New chat" : settings.title || opening;
  return (
    <header className="bar">
      <title>{title === "" ? "chatwire" : `${title} · chatwire`}</title>
      <IconButton
        className="menu-button"
        icon="menu"
        label="Open the list of chats"
        onClick={onMenu}
      />
      <h1 title={title} dir="auto">
        {title}
      </h1>
      <ModelSelect
        value={settings.current.modelId}
        onChange={(modelId) => settings.save({ ...settings.current, modelId })}
      />
      <IconButton icon="settings" label="Settings of this chat" onClick={onSettings} />
    </header>
  );
}
