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

/** How a watch came to its end. */
export type WatchEnd = "left" | "idle" | "deleted";

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
  try {
    const session = client.session(sessionId);
    let start = { afterSequence: wish.from === "now" ? 0n : wish.from, afterEpoch: 0 };
    if (wish.from === "now") {
      const page = { pageSize: recalledMax, newestFirst: true };
      const { messages, lastSequence, epoch } = await session.listMessages(page, { signal });
      if (!json) await recall(screen, messages);
      start = { afterSequence: lastSequence, afterEpoch: epoch };
    }
    const onConnection = tellOutage(screen, url);
    for await (const item of session.watch({ ...start, untilIdle, signal, onConnection })) {
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
  if (signal.aborted) return "left";
  return deleted ? "deleted" : "idle";
}
