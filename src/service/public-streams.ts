import type { ChatError } from "../chat/errors.ts";

/** Counts a stream of an RPC that needs no credential, until its signal aborts. Throws ChatError at the ceiling. */
export type AdmitPublicStream = (signal: AbortSignal) => void;

export type PublicStreamsOptions = {
  /** How many may be open at once. */
  streamsMax: number;
  /** What one more is refused with. */
  busy: () => ChatError;
};

/**
 * Streams of health and reflection, which anybody may open and leave open. They are counted apart from those of
 * callers, so that whoever opens them without end takes no room from anybody who chats.
 */
export function createPublicStreams({ streamsMax, busy }: PublicStreamsOptions): AdmitPublicStream {
  let open = 0;
  return (signal) => {
    if (open >= streamsMax) throw busy();
    if (signal.aborted) return;
    open += 1;
    const onClose = () => {
      open -= 1;
    };
    signal.addEventListener("abort", onClose, { once: true });
  };
}
