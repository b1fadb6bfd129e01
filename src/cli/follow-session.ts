import type { OnConnection } from "../client/connection.ts";
import type { Cursor } from "../client/cursor.ts";
import type { ChatSession } from "../client/session.ts";
import type { SessionItem } from "../client/session-item.ts";

/** A session that is shown as it goes on. */
export type Follower = {
  /** Resolves when the event with this sequence is shown, and when it will not be, or `waiting` aborts. */
  reached(sequence: bigint, waiting: AbortSignal): Promise<void>;
  /** Resolves when the session cannot be followed any more: with what was thrown, or deleted. Never rejects. */
  readonly over: Promise<{ error?: unknown }>;
  /** Ends it; nothing is shown any more when it resolves, with where to go on. */
  stop(): Promise<Cursor>;
};

/** Hands what happens in the session behind the cursor to `take`, one after the other, none twice. */
export function followSession(
  session: ChatSession,
  cursor: Cursor,
  take: (item: SessionItem) => Promise<void>,
  onConnection: OnConnection,
): Follower {
  const left = new AbortController();
  const { signal } = left;
  const { sequence: afterSequence, epoch: afterEpoch } = cursor;
  const watch = session.watch({ afterSequence, afterEpoch, signal, onConnection });
  let shown = cursor.sequence;
  let changed = Promise.withResolvers<void>();
  let reloads = 0;
  let isOver = false;

  function tellChange(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  async function run(): Promise<{ error?: unknown }> {
    try {
      for await (const item of watch) {
        await take(item);
        if (item.type === "reload") reloads += 1;
        if (item.type === "reload") shown = item.sequence;
        if (item.type === "event" && item.event.sequence > shown) shown = item.event.sequence;
        tellChange();
      }
      return {};
    } catch (error) {
      return { error };
    } finally {
      isOver = true;
      tellChange();
    }
  }

  const over = run();
  return {
    async reached(sequence, waiting) {
      const before = reloads;
      waiting.addEventListener("abort", tellChange);
      // After a reload the sequence may be one of a history that is no more.
      while (shown < sequence && reloads === before && !isOver && !waiting.aborted) {
        await changed.promise;
      }
      waiting.removeEventListener("abort", tellChange);
    },
    over,
    async stop() {
      left.abort();
      await over;
      return watch.cursor;
    },
  };
}
