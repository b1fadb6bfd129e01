import { type EngineContext, epochOf, requireSession } from "./engine-context.ts";
import { ChatError } from "./errors.ts";
import type { Event } from "./event.ts";
import type { Lane } from "./lane.ts";
import type { Message, Part } from "./message.ts";
import { addChunk } from "./reply.ts";
import type { Principal } from "./session.ts";
import type { Page, PageRequest } from "./store.ts";
import type { Turn } from "./turn.ts";
import { unlessAborted } from "./unless-aborted.ts";

export type MessagesRequest = PageRequest & { newestFirst: boolean; includeReplaced: boolean };

/** A page of the history, and from where to watch to miss nothing and see nothing twice. */
export type MessagePage = Page<Message> & { lastSequence: number; epoch: number };

/** How often a page is read again because a turn began or ended meanwhile. */
const triesMax = 20;

/**
 * A page of the session's messages, with the reply that streams as it is at `lastSequence`. Throws
 * `not_found`.
 */
export async function listMessages(
  context: EngineContext,
  principal: Principal,
  sessionId: string,
  request: MessagesRequest,
): Promise<MessagePage> {
  const { store, log, lanes } = context;
  const epoch = await epochOf(context, await requireSession(context, principal, sessionId));
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const before = stateOf(lanes.get(sessionId));
    const page = await store.listMessages(principal, sessionId, request);
    const lastSequence = await log.lastSequence(sessionId);
    const running = lanes.get(sessionId)?.running;
    const events = running ? await log.turnEvents(sessionId, running.turn.turnId) : [];
    const seen = events.filter(({ sequence }) => sequence <= lastSequence);
    if (running && seen.at(-1)?.type === "end") {
      // Its end is told, and in a moment stored: the page would be of neither time.
      await unlessAborted(running.ended, running.fault);
    } else if (stateOf(lanes.get(sessionId)) === before) {
      const streaming = running && streamingReply(running.turn, seen);
      return { ...withStreaming(page, request, running?.turn, streaming), lastSequence, epoch };
    }
  }
  throw new ChatError("aborted", "SESSION_BUSY", "the session changes too fast to be listed", {
    retryable: true,
    retryAfterMs: 100,
  });
}

function stateOf(lane: Lane | undefined): string {
  if (!lane) return "";
  return [lane.running, ...lane.queued].map((live) => live?.turn.turnId ?? "").join();
}

/** The reply of a running turn as a message; undefined before the model has begun to answer. */
function streamingReply(turn: Turn, events: readonly Event[]): Message | undefined {
  const start = events.find(({ type }) => type === "start");
  if (start?.type !== "start") return undefined;
  const { replyMessageId: messageId, sessionId, turnId } = turn;
  const parts: Part[] = [];
  for (const event of events) if (event.type === "chunk") addChunk(parts, event);
  const fixed = { role: "model", state: "streaming", requestId: "" } as const;
  const { model, at: createdAt } = start;
  const sequence = events.at(-1)?.sequence ?? 0;
  return { ...fixed, messageId, sessionId, turnId, parts, createdAt, model, sequence };
}

/**
 * Puts the reply that streams where the history has it, before the queued messages, and takes away what it has
 * replaced.
 */
function withStreaming(
  page: Page<Message>,
  { newestFirst, pageToken, includeReplaced }: MessagesRequest,
  turn: Turn | undefined,
  message: Message | undefined,
): Page<Message> {
  if (!turn || !message) return page;
  const { nextPageToken } = page;
  const isReplaced = ({ messageId }: Message) => turn.replaces.includes(messageId);
  const items = includeReplaced ? page.items : page.items.filter((item) => !isReplaced(item));
  const extended = items.findIndex(({ messageId }) => messageId === message.messageId);
  if (extended >= 0) {
    return { items: items.with(extended, joined(items[extended], message)), nextPageToken };
  }
  const isNewestPage = newestFirst ? pageToken === "" : nextPageToken === "";
  if (!isNewestPage) return page;
  const queued = items.filter(({ state }) => state === "queued");
  const started = items.filter(({ state }) => state !== "queued");
  const list = newestFirst ? [...queued, message, ...started] : [...started, message, ...queued];
  return { items: list, nextPageToken };
}

/** A reply that a `continue` turn extends. */
function joined(stored: Message | undefined, streaming: Message): Message {
  if (!stored) return streaming;
  // With the id of the turn that streams: by that a client knows which message its chunks go on.
  return {
    ...streaming,
    createdAt: stored.createdAt,
    parts: [...stored.parts, ...streaming.parts],
  };
}
