import type { ChatResponse, Message } from "../gen/chat/chat_pb.ts";

/**
 * Why what the consumer has of a session is no longer right. `epoch`: the server went back to an older state;
 * `expired`: events after the cursor are no longer kept; `ahead`: the cursor is one that the server has not
 * come to; `missing`: the server would not deliver an event.
 */
export type ReloadReason = "epoch" | "expired" | "ahead" | "missing";

/** What a watch yields. */
export type SessionItem =
  /** An event of the session; unrecorded ones (typing) have sequence 0. */
  | { type: "event"; event: ChatResponse }
  /** What was missed is delivered: from here on things happen now. Comes after each reconnection. */
  | { type: "live" }
  /**
   * Forget what you have of the session. These are its messages now, the newest first, a running reply
   * included; older pages are at `nextPageToken`. The events that follow begin after them.
   */
  | {
      type: "reload";
      reason: ReloadReason;
      epoch: number;
      sequence: bigint;
      messages: Message[];
      nextPageToken: string;
    };
