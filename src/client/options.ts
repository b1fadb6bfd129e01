import type { ClientClock } from "./clock.ts";
import type { Endpoint } from "./endpoints.ts";

/** How a chat client is set up; only `endpoints` is required. */
export type ChatClientOptions = {
  /** Where the service is, the preferred one first. All must reach the same sessions. */
  endpoints: readonly Endpoint[];
  /**
   * The bearer token, asked for on each attempt; undefined sends none. What it throws fails the attempt: a
   * ConnectError by its code, anything else like a lost connection. Stop when `signal` aborts.
   */
  getToken?: (signal: AbortSignal) => string | undefined | Promise<string | undefined>;
  /** How attempts follow each other. */
  retry?: Partial<RetryPolicy>;
  /** The deadline of each attempt at a unary call, milliseconds. Default 10,000. */
  unaryTimeoutMs?: number;
  /** How long a stream may take to its first event, milliseconds. Default 20,000. */
  firstEventTimeoutMs?: number;
  /**
   * Silence of this many heartbeats is a loss (DESIGN section 2, rule 13). Default 2.5; the server says how
   * long a heartbeat is.
   */
  heartbeatFactor?: number;
  /** How far a stream is read ahead of its consumer. */
  buffer?: Partial<BufferBounds>;
  /** For tests: the platform's clock. */
  clock?: ClientClock;
  /** For tests: random numbers from 0 up to 1. Default Math.random. */
  random?: () => number;
  /** For tests: makes request_ids; at least 122 random bits. */
  newRequestId?: () => string;
};

/** How attempts follow each other. Times in milliseconds. */
export type RetryPolicy = {
  /** Upper bound of the wait before the second attempt; a wait is random between 0 and its bound. 250. */
  delayMs: number;
  /** The bound doubles with each failure up to this. 15,000. */
  delayMsMax: number;
  /** A unary call fails when it would be tried again later than this after its first failure. 30,000. */
  unaryBudgetMs: number;
  /** A turn is given up, its outcome unknown, after so long without a word from any server. 120,000. */
  turnBudgetMs: number;
  /** The same for a watch, which then throws. Infinity: it goes on until it is left. */
  watchBudgetMs: number;
};

/** How far a stream is read ahead of its consumer; past either bound the stream is paused. */
export type BufferBounds = {
  /** 256. */
  itemsMax: number;
  /** Of text in those items, UTF-16 units. 1,048,576. A single item may be larger. */
  charactersMax: number;
};

/** The options with their defaults filled in. Throws RangeError for what cannot be. */
export function settle(options: ChatClientOptions) {
  const { unaryTimeoutMs = 10_000, firstEventTimeoutMs = 20_000, heartbeatFactor = 2.5 } = options;
  const retry: RetryPolicy = {
    delayMs: 250,
    delayMsMax: 15_000,
    unaryBudgetMs: 30_000,
    turnBudgetMs: 120_000,
    watchBudgetMs: Infinity,
    ...options.retry,
  };
  const buffer: BufferBounds = { itemsMax: 256, charactersMax: 1_048_576, ...options.buffer };
  const positive = { unaryTimeoutMs, firstEventTimeoutMs, heartbeatFactor, ...retry, ...buffer };
  for (const [name, value] of Object.entries(positive)) {
    if (!(value > 0)) throw new RangeError(`${name} must be more than 0, and is ${value}`);
  }
  return { unaryTimeoutMs, firstEventTimeoutMs, heartbeatFactor, retry, buffer };
}
