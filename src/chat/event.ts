import type { FinishReason, Message, Usage } from "./message.ts";
import type { TurnError } from "./turn.ts";

/** What a turn's first event carries, so that nobody sees a reply without its question (DESIGN section 2, rule 4). */
export type Question = {
  userMessage: Message;
  /** The request that started the turn, where the question came with another one: REGENERATE and CONTINUE. */
  requestId?: string;
};

/** What happened. DESIGN section 2, rule 5 gives the order within a turn. */
export type EventBody =
  | ({
      /** The turn's run begins; the model is called next. */
      type: "status";
      model: string;
      /** How many messages the model is given. */
      contextMessages: number;
    } & Partial<Question>)
  | {
      /** The model that answers has sent its first part. */ type: "start";
      model: string;
      messageId: string;
    }
  | {
      type: "chunk";
      text: string;
      /** From 1 within its turn, thoughts included. */
      number: number;
      thought?: true;
    }
  | ({
      type: "end";
      finishReason: FinishReason;
      error?: TurnError;
      model: string;
      messageId: string;
      usage: Usage;
      totalChunks: number;
      /** Messages in the session once this turn is stored. */
      messageCount: number;
      firstChunkMs?: number;
      processingMs: number;
      /** What the provider wants back with the reply's last part. */
      signature?: string;
    } & Partial<Question>)
  | ({
      /** A change that is no part of a reply; docs/turns.md fixes each kind and its data. */
      type: "session_update";
      updateType: RecordedUpdateType;
      data: Readonly<Record<string, unknown>>;
    } & Partial<Question>);

/** What is recorded: the first two belong to a turn, the others to the session. */
export type RecordedUpdateType =
  | "turn_queued"
  | "messages_replaced"
  | "session_changed"
  | "session_deleted";

/** What happens in a session without being recorded. */
export type LiveUpdateType = "watching" | "live" | "draining" | "typing_started" | "typing_stopped";

/** What happens to the sessions of a principal; never recorded. */
export type ListUpdateType =
  | "session_created"
  | "session_changed"
  | "session_deleted"
  | "session_running"
  | "session_idle";

/** An update that has no sequence, and is gone for whoever does not hear it. */
export type LiveUpdate = {
  type: "live_update";
  sessionId: string;
  updateType: LiveUpdateType | ListUpdateType;
  data: Readonly<Record<string, unknown>>;
};

/** A fact on its way into the log. */
export type NewEvent = EventBody & {
  /** When it happened, milliseconds since 1970 UTC. */
  at: number;
  /** Since the turn's run began, milliseconds, taken when the model yields. */
  elapsedMs: number;
};

/** A fact with its place in the session's log. */
export type Recorded<E extends NewEvent> = E & {
  /** From 1, no gaps, never reused within the session's epoch. */
  sequence: number;
  /** Empty on what belongs to no turn. */
  turnId: string;
};

export type Event = Recorded<NewEvent>;

/** The one end of a turn. */
export type EndEvent = Extract<Event, { type: "end" }>;
