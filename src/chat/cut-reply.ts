import { type Chunk, createChunker } from "./chunker.ts";
import type { NewEvent } from "./event.ts";
import type { ChunkBy } from "./turn.ts";

/**
 * How long a part that may be whole waits for a mark of its last character, milliseconds: for what a provider has cut
 * into two pieces of one message, and not long enough to be seen.
 */
export const tailWaitMs = 20;

/** When the model gave something. */
type Moment = Pick<NewEvent, "at" | "elapsedMs">;

type CutReplyOptions = {
  chunkBy: ChunkBy;
  now: () => Moment;
  /** Takes each chunk, with when the model gave the last of its text. */
  onChunk: (chunk: Chunk, moment: Moment) => void;
};

/** A reply on its way from the model into chunks. */
export type ReplyCutter = {
  push(text: string, thought: boolean): void;
  /** Hands on what still waits. To be called when the model has ended, however. */
  finish(): void;
};

/** Cuts a reply as it comes (DESIGN section 2, rule 14). */
export function cutReply({ chunkBy, now, onChunk }: CutReplyOptions): ReplyCutter {
  const chunker = createChunker(chunkBy);
  let heldSince = now();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const handOnHeld = (chunks: readonly Chunk[]) => {
    for (const chunk of chunks) onChunk(chunk, heldSince);
  };

  return {
    push(text, thought) {
      if (text === "") return;
      clearTimeout(timer);
      const moment = now();
      const heldUnits = chunker.held();
      let units = 0;
      for (const chunk of chunker.push(text, thought)) {
        units += chunk.text.length;
        onChunk(chunk, units <= heldUnits ? heldSince : moment);
      }
      heldSince = moment;
      if (!chunker.mayRelease()) return;
      timer = setTimeout(() => handOnHeld(chunker.release()), tailWaitMs);
    },
    finish() {
      clearTimeout(timer);
      handOnHeld(chunker.flush());
    },
  };
}
