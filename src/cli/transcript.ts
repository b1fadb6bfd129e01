import type { SessionItem } from "../client/session-item.ts";
import {
  type ChatResponse,
  ChatResponse_Type as EventType,
  type Message,
  Message_Role as Role,
  Message_State as State,
} from "../gen/chat/chat_pb.ts";
import { eventLine } from "./json.ts";
import type { Screen } from "./screen.ts";
import { showEvent } from "./show-event.ts";

/** How many messages are shown of a session that is opened, or that is shown anew. */
export const recalledMax = 6;

/** Shows what happens in a session. */
export type Transcript = (item: SessionItem) => Promise<void>;

export type TranscriptOptions = {
  /** Whether the turn that was asked for by this request is this client's own: its message is not shown again. */
  isOwn?: (requestId: string) => boolean;
  /** The messages that are shown already: the first event of a turn may come after its message was listed. */
  recalled?: readonly Message[];
  /** Told that somebody types, or has stopped to. */
  onTyping?: (isTyping: boolean) => void;
};

/** Shows a session in words. */
export function createTranscript(
  screen: Screen,
  { isOwn = () => false, recalled = [], onTyping = () => undefined }: TranscriptOptions = {},
): Transcript {
  let shown = new Set(recalled.map(({ messageId }) => messageId));

  async function showQuestion({ userMessage, requestId }: ChatResponse): Promise<void> {
    if (userMessage === undefined || isOwn(requestId) || shown.has(userMessage.messageId)) return;
    onTyping(false);
    await screen.said(userMessage.text);
  }

  return async (item) => {
    if (item.type === "reload") {
      await screen.note(
        "the server's history of the session is another now; it goes on from here:",
      );
      shown = new Set(item.messages.map(({ messageId }) => messageId));
      await recall(screen, item.messages.slice(0, recalledMax));
    } else if (item.type === "event") {
      const { event } = item;
      await showQuestion(event);
      if (event.type === EventType.SESSION_UPDATE) await showUpdate(screen, event, onTyping);
      else await showEvent(screen, event);
    }
  };
}

/** Shows a session as NDJSON: each event as the contract's JSON, and nothing else. */
export function createJsonTranscript(screen: Screen): Transcript {
  return async (item) => {
    if (item.type === "event") await screen.data(eventLine(item.event));
    else if (item.type === "reload") {
      await screen.note(`the session's events are of epoch ${item.epoch} now; list its messages`);
    }
  };
}

/** Shows messages, given newest first; a reply that is being written stays open for the rest of it. */
export async function recall(screen: Screen, messages: readonly Message[]): Promise<void> {
  for (const { role, text, state } of messages.toReversed()) {
    if (role === Role.USER) {
      await screen.said(text);
      if (state === State.QUEUED) await screen.note("waits for its turn");
      continue;
    }
    await screen.reply(text);
    if (state !== State.STREAMING) await screen.endReply();
    if (state === State.PARTIAL)
      await screen.note("the reply was not finished; /continue extends it");
  }
}

async function showUpdate(
  screen: Screen,
  { updateType, updateData }: ChatResponse,
  onTyping: (isTyping: boolean) => void,
): Promise<void> {
  const data = parse(updateData);
  switch (updateType) {
    case "typing_started":
    case "typing_stopped":
      onTyping(updateType === "typing_started");
      break;
    case "turn_queued":
      await screen.note(`waits for its turn; ${Number(data.position)} in the queue`);
      break;
    case "messages_replaced":
      await screen.note("what follows replaces what is above");
      break;
    case "session_changed":
      await screen.note(describeChange(data));
      break;
    default:
  }
}

function describeChange({ fields, title, model }: Record<string, unknown>): string {
  const changed = Array.isArray(fields) ? fields.map(String) : [];
  const said = changed.map((field) => {
    if (field === "title") return `its title is "${String(title)}"`;
    return field === "model_id" ? `its model is ${String(model)}` : `its ${field} is another`;
  });
  return `the session was changed: ${said.join(", ")}`;
}

/** A server's broken JSON costs its facts and no more. */
function parse(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
