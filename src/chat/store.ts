import type { Message } from "./message.ts";
import type { Principal, Session, SessionDetails } from "./session.ts";
import type { Turn, TurnEnd, TurnState } from "./turn.ts";

/** One page of a list, and where the next begins; no token means that this was the last. */
export type Page<Item> = { items: Item[]; nextPageToken: string };

export type PageRequest = {
  /** From 1 to limits.pageSizeMax. */
  pageSize: number;
  /** Empty for the first page, else from the page before; a token that we did not make is `invalid_argument`. */
  pageToken: string;
};

/** A caller's idempotency key with what a repetition must agree in (DESIGN section 2, rule 7). */
export type RequestKey = {
  /** Not empty. */
  requestId: string;
  /** A digest of the payload; the same key with another one is `already_exists`/REQUEST_ID_REUSED. */
  fingerprint: string;
};

export type NewTurn = {
  turn: Turn;
  /** Where the turn opens its session: created in the same transaction. */
  session?: Session;
  /** The same key again gives the turn that it was used for, and creates nothing. */
  requestKey?: RequestKey;
  /** Before the turns that wait, instead of behind them. */
  atHead: boolean;
  /** Turns that may wait in the session, this one included; more are `resource_exhausted`/QUEUE_FULL. */
  queuedTurnsMax: number;
  /** Where the turn opens its session: as in createSession. */
  sessionsMax?: number;
};

/** A turn that this process may run. */
export type AcquiredTurn = {
  turn: Turn;
  fence: number;
  /** In the history now, its question included, queued and replaced ones not. */
  messages: number;
};

/** A turn as it is stored. */
export type StoredTurn = {
  turn: Turn;
  state: TurnState;
  /** 0 while queued. */
  fence: number;
  /** Where it has ended. `parts` are the turn's own, also where it extended an earlier reply. */
  end?: TurnEnd;
};

/** A session that nobody has changed for long. */
export type ExpiredSession = { principal: Principal; sessionId: string; updatedAt: number };

export type ExpiredRequest = {
  /** Milliseconds since 1970 UTC. */
  before: number;
  /** At least 1. */
  count: number;
  /** The last one of the page before. */
  after?: Pick<ExpiredSession, "updatedAt" | "sessionId">;
};

/** A turn without its end, when the program starts. */
export type UnfinishedTurn = { turn: Turn; state: "queued" | "running"; fence: number };

/** What UpdateSession may change; an absent field stays. */
export type SessionChanges = Partial<
  Pick<Session, "title" | "systemInstruction" | "generation" | "metadata" | "model">
>;

export type NewFork = {
  principal: Principal;
  fromSessionId: string;
  /** The last message that the fork keeps; empty keeps all. */
  upToMessageId: string;
  /** Its id; settings are those of the original. */
  sessionId: string;
  /** Empty keeps the original's. */
  title: string;
  createdAt: number;
  newMessageId: () => string;
  requestKey?: RequestKey;
  /** As in createSession. */
  sessionsMax?: number;
};

/**
 * Sessions, messages and turns, durably. Every method is atomic: it happens whole or not at all. What a
 * method has resolved survives `kill -9`, and with DURABILITY=full a power cut (DESIGN section 2, rule 1).
 *
 * Every method rejects with ChatError `unavailable`/STORAGE_UNAVAILABLE when the storage does not take
 * the write or cannot be read; then nothing was changed. A session of another principal is as if it did
 * not exist.
 */
export interface Store {
  /**
   * Creates a session and returns it. Repeating it with the same key returns the session that the key was
   * used for (`not_found` once that is deleted); with the same sessionId it changes nothing. Throws
   * `resource_exhausted`/TOO_MANY_SESSIONS where the principal has `sessionsMax` sessions, unless it is a
   * repetition; undefined is any number.
   */
  createSession(session: Session, requestKey?: RequestKey, sessionsMax?: number): Promise<Session>;

  /** The session, or undefined. */
  getSession(principal: Principal, sessionId: string): Promise<SessionDetails | undefined>;

  /**
   * Changes settings. `etag`, where not empty, must be the session's (`aborted`/ETAG_MISMATCH). Throws
   * `not_found`. Each change gives a new etag.
   */
  updateSession(
    principal: Principal,
    sessionId: string,
    changes: SessionChanges,
    etag: string,
    updatedAt: number,
  ): Promise<SessionDetails>;

  /**
   * Copies a session's settings and its messages, those that are replaced or wait left out, into a new one:
   * new message ids, no request ids, usage 0. Throws `not_found` for the session, and for an unknown
   * up_to_message_id (MESSAGE_NOT_FOUND). The key works as in createSession, also when the original is gone.
   */
  forkSession(fork: NewFork): Promise<SessionDetails>;

  /**
   * The principal's sessions, latest change first; with a `query` (not empty), those whose title or messages have
   * all its words (the last one may be a beginning), and none where it has no word. The order stays right
   * while sessions change. What was written in the last moments may not be found yet.
   */
  listSessions(
    principal: Principal,
    page: PageRequest & { query: string },
  ): Promise<Page<SessionDetails>>;

  /** How many sessions the principal has. */
  countSessions(principal: Principal): Promise<number>;

  /**
   * Removes a session with its turns and messages; its request keys live on for 24 h, and it is among
   * `deletedSessions` until `forgetDeleted`. False where there was none; repeating it is safe.
   */
  deleteSession(principal: Principal, sessionId: string, deletedAt: number): Promise<boolean>;

  /**
   * Makes a turn (state `queued`) durable, with its user's message where it has one of its own, with the
   * session where it opens one, and with its key; an edit hides what it replaces in the same step.
   * `repeated` gives the turn that the key, or the turnId, was used for before. Throws `not_found` when the
   * session does not exist, or the key's session is deleted.
   */
  createTurn(
    newTurn: NewTurn,
  ): Promise<{ outcome: "created" } | { outcome: "repeated"; turnId: string; sessionId: string }>;

  /** The turn that a key was used for, or undefined. Throws as createTurn does. Changes nothing. */
  findRequest(
    principal: Principal,
    requestKey: RequestKey,
  ): Promise<{ turnId: string; sessionId: string } | undefined>;

  /** The same by the request_id alone, for CancelTurn. */
  findTurnByRequestId(
    principal: Principal,
    requestId: string,
  ): Promise<{ turnId: string; sessionId: string } | undefined>;

  /**
   * The tokens, in and out, of the principal's turns that have ended on the UTC day of `at`, also of those whose
   * session is deleted. Days that are over for more than two days may be forgotten.
   */
  tokensUsed(principal: Principal, at: number): Promise<number>;

  /** The turn, or undefined. */
  getTurn(principal: Principal, sessionId: string, turnId: string): Promise<StoredTurn | undefined>;

  /**
   * Makes the session's first queued turn `running` and fences off every earlier owner: the fence is
   * higher than any given for the session before. `busy` when another turn runs, `idle` when none waits.
   * `owner` names this process, for the operator. A turn that is running is never given again, so a
   * crash after this is INTERRUPTED and never a second run (rule 8).
   */
  acquireTurn(sessionId: string, owner: string): Promise<AcquiredTurn | "busy" | "idle">;

  /**
   * Takes a turn out of the queue to end it without a run: it is `running` from now on beside whichever
   * runs, with fence 0, and endTurn ends it. Its message leaves the history. False when it is not queued.
   */
  withdrawTurn(sessionId: string, turnId: string): Promise<boolean>;

  /** Hides messages from context and lists, naming the turn that replaces them. Repeating it is safe. */
  replaceMessages(
    sessionId: string,
    messageIds: readonly string[],
    byTurnId: string,
  ): Promise<void>;

  /**
   * Stores how a turn ended, and its reply where there is one: as a message of its own, or at the end of the
   * one that it extends. What a regenerate turn replaces is hidden with it, if it came that far. Idempotent
   * by turn id: the first end stays. Throws `aborted`/STALE_FENCE when the fence is not the one the turn was
   * acquired with. A turn whose session is gone is no error.
   */
  endTurn(end: TurnEnd): Promise<void>;

  /**
   * The session's messages in the order of their turns, queued ones last; with `newestFirst` the other
   * way round; those that were replaced only with `includeReplaced`. A running turn's reply is not among
   * them. A page of large messages has fewer than `pageSize`: its last is the one with which their texts
   * come to limits.pageBytesMax. Throws `not_found`.
   */
  listMessages(
    principal: Principal,
    sessionId: string,
    page: PageRequest & { newestFirst: boolean; includeReplaced: boolean },
  ): Promise<Page<Message>>;

  /** One message of the session, or undefined. */
  getMessage(
    principal: Principal,
    sessionId: string,
    messageId: string,
  ): Promise<Message | undefined>;

  /** Ended turns with events after `sequence`, in the order of their first such event, at most `count`. */
  turnsAfter(sessionId: string, sequence: number, count: number): Promise<StoredTurn[]>;

  /**
   * Sessions of all principals that last changed before `before`, in which no turn runs or waits: those that changed
   * first, at most `count`, after the one that is given.
   */
  listExpired(request: ExpiredRequest): Promise<ExpiredSession[]>;

  /** Turns without an end, oldest first: what a crash left behind. */
  unfinishedTurns(): Promise<UnfinishedTurn[]>;

  /** Sessions that were deleted and whose events may not be dropped yet. */
  deletedSessions(): Promise<string[]>;

  /** The events of a deleted session are dropped. Repeating it is safe. */
  forgetDeleted(sessionId: string): Promise<void>;

  /**
   * Called where the event log ends before what the store knows of: raises the session's epoch and returns
   * it (rule 3).
   */
  raiseEpoch(sessionId: string): Promise<number>;

  /** Resolves when the storage can be read, and takes writes as far as is known; for health checks. */
  check(): Promise<void>;
}
