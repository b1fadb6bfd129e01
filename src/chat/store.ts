import type { Message } from "./message.ts";
import type { Principal, Session, SessionDetails } from "./session.ts";
import type { Turn, TurnEnd } from "./turn.ts";

/** One page of a list, and where the next begins; no token means that this was the last. */
export type Page<Item> = { items: Item[]; nextPageToken: string };

export type PageRequest = {
  /** From 1 to limits.pageSizeMax. */
  pageSize: number;
  /** Empty for the first page, else from the page before; a token that we did not make is `invalid_argument`. */
  pageToken: string;
};

export type NewTurn = {
  turn: Turn;
  /** Where the turn opens its session: created in the same transaction. */
  session?: Session;
};

/** A turn found without its end when the program starts. */
export type UnfinishedTurn = { turn: Turn; state: "queued" | "running"; fence: number };

/**
 * Sessions, messages and turns, durably. Every method is atomic: it happens whole or not at all. What a
 * method has resolved survives `kill -9`, and with DURABILITY=full a power cut (DESIGN section 2, rule 1).
 *
 * Every method rejects with ChatError `unavailable`/STORAGE_UNAVAILABLE when the storage does not take
 * the write or cannot be read; then nothing was changed. A session of another principal is as if it did
 * not exist.
 */
export interface Store {
  /** Creates a session. Repeating it with the same sessionId changes nothing. */
  createSession(session: Session): Promise<void>;

  /** The session, or undefined. */
  getSession(principal: Principal, sessionId: string): Promise<SessionDetails | undefined>;

  /** The principal's sessions, latest change first. The order stays right while sessions change. */
  listSessions(principal: Principal, page: PageRequest): Promise<Page<SessionDetails>>;

  /** How many sessions the principal has. */
  countSessions(principal: Principal): Promise<number>;

  /** Removes a session with its turns and messages. False where there was none; repeating it is safe. */
  deleteSession(principal: Principal, sessionId: string): Promise<boolean>;

  /**
   * Makes the user's message and its turn (state `queued`) durable, with the session where it opens one.
   * Throws `not_found` when the session does not exist. Repeating it with the same turnId changes nothing.
   */
  createTurn(newTurn: NewTurn): Promise<void>;

  /**
   * Makes the session's oldest queued turn `running` and fences off every earlier owner: the fence is
   * higher than any given for the session before. `busy` when another turn runs, `idle` when none waits.
   * `owner` names this process, for the operator. A turn that is running is never given again, so a
   * crash after this is INTERRUPTED and never a second run (rule 8).
   */
  acquireTurn(
    sessionId: string,
    owner: string,
  ): Promise<{ turn: Turn; fence: number } | "busy" | "idle">;

  /**
   * Removes a queued turn and its message, as if it had not been sent. False when it is not queued
   * (it runs, has ended, or never was).
   */
  discardQueuedTurn(sessionId: string, turnId: string): Promise<boolean>;

  /**
   * Stores how a turn ended, and its reply where there is one. Idempotent by turn id: the first end
   * stays. Throws `aborted`/STALE_FENCE when the fence is not the one the turn was acquired with. A turn
   * whose session is gone is no error.
   */
  endTurn(end: TurnEnd): Promise<void>;

  /**
   * The session's messages in the order of their turns, queued ones last; with `newestFirst` the other
   * way round. A running turn's reply is not among them. Throws `not_found`.
   */
  listMessages(
    principal: Principal,
    sessionId: string,
    page: PageRequest & { newestFirst: boolean },
  ): Promise<Page<Message>>;

  /** Turns without an end, oldest first: what a crash left behind. */
  unfinishedTurns(): Promise<UnfinishedTurn[]>;

  /** Resolves when a trivial read succeeds; for health checks. */
  check(): Promise<void>;
}
