import { Code, ConnectError } from "@connectrpc/connect";
import type { OnConnection } from "./connection.ts";
import { type ClientContext, hold, linkedController } from "./context.ts";
import type { Cursor } from "./cursor.ts";
import { clientClosed } from "./errors.ts";
import { follow } from "./follow.ts";
import { createPipe, type Pipe } from "./pipe.ts";
import type { SessionItem } from "./session-item.ts";
import type { HeaderFields } from "./token.ts";
import { createWatchStream } from "./watch-stream.ts";

export type WatchOptions = {
  /** Begin after this event. Default 0: with the first. */
  afterSequence?: bigint;
  /** The epoch of afterSequence; 0 or left out: not checked. */
  afterEpoch?: number;
  /** End once no turn runs or waits. */
  untilIdle?: boolean;
  /** Ends the watch, without an error. */
  signal?: AbortSignal;
  headers?: HeaderFields;
  onConnection?: OnConnection;
  /** Told of each stream's response headers. */
  onHeader?: (header: Headers) => void;
  /** Told of the response trailers of each stream that ends without an error. */
  onTrailer?: (trailer: Headers) => void;
  /**
   * Also yield, as events with sequence 0, the changes of the caller's session list (docs/turns.md). They have
   * no replay: list the sessions again after each `live`. One stream serves a page that shows both.
   */
  sessionList?: boolean;
  /** How many messages a reload brings, at most 200. Default 50. */
  reloadPageSize?: number;
};

/** The items of a watch. It begins with the first `next`, and ends with `break`. One consumer. */
export interface Watch extends AsyncIterableIterator<SessionItem> {
  /**
   * Where the consumer is: pass it to a later watch to go on from there. It may stay behind the sequence of
   * the last event for a moment, never ahead.
   */
  readonly cursor: Cursor;
}

/**
 * Every event of the session after the cursor, in order, none missing and none twice, across lost
 * connections, restarts and drains (DESIGN section 2, rules 3, 4 and 6). Ends when the session is deleted,
 * when `untilIdle` is fulfilled, and when it is left. Throws a ConnectError that no retry helps: NOT_FOUND,
 * UNAUTHENTICATED, INVALID_ARGUMENT and the like.
 */
export function watchSession(
  context: ClientContext,
  sessionId: string,
  options: WatchOptions = {},
): Watch {
  const start = { sequence: options.afterSequence ?? 0n, epoch: options.afterEpoch ?? 0 };
  const left = new AbortController();
  let taken: Cursor = start;
  let running: Promise<void> = Promise.resolve();
  const pipe = createPipe<Piped>({
    bounds: context.buffer,
    onTake: ({ cursor }) => {
      taken = cursor;
    },
    onStart() {
      running = run(context, sessionId, { ...options, start }, pipe, left.signal);
      hold(context, running);
    },
    onLeave() {
      left.abort(clientClosed());
      return running;
    },
  });
  const watch: Watch = {
    [Symbol.asyncIterator]: () => watch,
    async next() {
      const { done, value } = await pipe.items.next();
      return done === true ? { done, value: undefined } : { done: false, value: value.item };
    },
    async return() {
      await pipe.items.return?.();
      return { done: true, value: undefined };
    },
    async throw(error) {
      await pipe.items.return?.();
      throw error;
    },
    get cursor() {
      return taken;
    },
  };
  return watch;
}

type Piped = { item: SessionItem; cursor: Cursor };

/** Follows the session into the pipe until it is done or left; never rejects. */
async function run(
  context: ClientContext,
  sessionId: string,
  options: WatchOptions & { start: Cursor },
  pipe: Pipe<Piped>,
  left: AbortSignal,
): Promise<void> {
  const { start, untilIdle = false, reloadPageSize = 50, headers, onConnection } = options;
  const { controller, unlink } = linkedController(context.closed, options.signal, left);
  const { signal } = controller;
  signal.addEventListener("abort", pipe.drop, { once: true });
  const stream = createWatchStream(context, sessionId, {
    start,
    untilIdle,
    sessionList: options.sessionList ?? false,
    reloadPageSize,
    signal,
    headers,
    onConnection,
    onHeader: (header) => options.onHeader?.(header),
    onTrailer: (trailer) => options.onTrailer?.(trailer),
    push: (item, cursor, characters) => pipe.push({ item, cursor }, characters),
  });
  try {
    const { attempt, onFailure } = stream;
    const budgetMs = context.retry.watchBudgetMs;
    await follow(context, { signal, budgetMs, onConnection, attempt, onFailure });
    pipe.end();
  } catch (error) {
    const isDone = stream.isDeleted() && ConnectError.from(error).code === Code.NotFound;
    pipe.end(signal.aborted || isDone ? undefined : error);
  } finally {
    unlink();
    onConnection?.({ state: "closed" });
  }
}
