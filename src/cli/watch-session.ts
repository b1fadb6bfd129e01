import type { Cursor } from "../client/cursor.ts";
import type { ChatSession } from "../client/session.ts";
import type { Watch } from "../client/watch.ts";
import { createCadence, type Pace, realPace } from "./cadence.ts";
import type { Connection } from "./client.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Screen } from "./screen.ts";
import { createJsonTranscript, createTranscript, recall, recalledMax } from "./transcript.ts";
import { tellOutage } from "./turn.ts";

export type WatchWish = {
  sessionId: string;
  /** The sequence to begin after; `now` for what happens from now on, with the last messages before it. */
  from: bigint | "now";
  json: boolean;
  /** Ends when nothing runs and nothing waits. */
  untilIdle?: boolean;
  /** At the pace at which the model wrote. */
  cadence?: boolean;
  /** For tests. */
  pace?: Pace;
};

/** How a watch came to its end, and where it has come to. */
export type WatchEnd = { end: "left" | "idle" | "deleted"; cursor: Cursor | undefined };

/**
 * Shows what happens in a session, across lost connections, until Ctrl-C, until it is deleted or, where that is
 * wished, until nothing runs. Throws what the client library throws.
 */
export async function watchSession(
  { client, url }: Connection,
  screen: Screen,
  interrupts: Interrupts,
  wish: WatchWish,
): Promise<WatchEnd> {
  const { sessionId, json, untilIdle = false, pace = realPace } = wish;
  const left = new AbortController();
  const { signal } = left;
  const leave = () => left.abort();
  const stopListening = interrupts.listen(leave);
  screen.gone.addEventListener("abort", leave);
  const transcript = json
    ? createJsonTranscript(screen)
    : createTranscript(screen, {
        onTyping: (is) => void (is && screen.aside("somebody is typing")),
      });
  const cadence = wish.cadence === true ? createCadence(pace) : undefined;
  let deleted = false;
  let watch: Watch | undefined;
  try {
    const session = client.session(sessionId);
    const start = await startOf(session, screen, wish, signal);
    const onConnection = tellOutage(screen, url);
    watch = session.watch({ ...start, untilIdle, signal, onConnection });
    for await (const item of watch) {
      if (item.type === "event") await cadence?.(item.event, signal);
      if (signal.aborted) break;
      await transcript(item);
      deleted ||= item.type === "event" && item.event.updateType === "session_deleted";
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stopListening();
    screen.gone.removeEventListener("abort", leave);
    await screen.endReply();
  }
  const end = signal.aborted ? "left" : deleted ? "deleted" : "idle";
  return { end, cursor: watch?.cursor };
}

/** Where to begin; for what happens from now on the last messages are shown first. */
async function startOf(
  session: ChatSession,
  screen: Screen,
  { from, json }: WatchWish,
  signal: AbortSignal,
): Promise<{ afterSequence: bigint; afterEpoch: number }> {
  if (from !== "now") return { afterSequence: from, afterEpoch: 0 };
  const page = { pageSize: recalledMax, newestFirst: true };
  const { messages, lastSequence, epoch } = await session.listMessages(page, { signal });
  if (!json) await recall(screen, messages);
  return { afterSequence: lastSequence, afterEpoch: epoch };
}
