import { type ChatResponse, ChatService } from "../gen/chat/chat_pb.ts";
import { runAttempt } from "./attempt.ts";
import type { OnConnection } from "./connection.ts";
import { type ClientContext, hold, linkedController } from "./context.ts";
import type { Endpoint } from "./endpoints.ts";
import { clientClosed, endedEarly } from "./errors.ts";
import { follow, leaveDraining } from "./follow.ts";
import { createPipe } from "./pipe.ts";
import type { Retry } from "./retry.ts";
import type { HeaderFields } from "./token.ts";
import { isKeepAlive, readUpdate } from "./updates.ts";

/** What a watch of the session list yields. */
export type SessionListItem =
  /** A connection stands: list the sessions now, as changes before it are not told. */
  | { type: "list" }
  /** session_created, session_changed, session_deleted, session_running or session_idle; see updateType. */
  | { type: "change"; event: ChatResponse };

export type WatchSessionsOptions = {
  /** Ends the watch, without an error. */
  signal?: AbortSignal;
  headers?: HeaderFields;
  onConnection?: OnConnection;
};

/**
 * The changes of the caller's sessions as they happen, across lost connections. They are not recorded, so each
 * connection begins with `list`. Begins with the first `next`, ends with `break`; one consumer.
 */
export function watchSessions(
  context: ClientContext,
  { signal: leaveSignal, headers, onConnection }: WatchSessionsOptions = {},
): AsyncIterableIterator<SessionListItem> {
  const left = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const pipe = createPipe<SessionListItem>({
    bounds: context.buffer,
    onStart() {
      running = run();
      hold(context, running);
    },
    onLeave() {
      left.abort(clientClosed());
      return running;
    },
  });

  async function run(): Promise<void> {
    const { controller, unlink } = linkedController(context.closed, leaveSignal, left.signal);
    const { signal } = controller;
    signal.addEventListener("abort", pipe.drop, { once: true });
    const budgetMs = context.retry.watchBudgetMs;
    const attempt = (endpoint: Endpoint, retry: Retry) => readOnce(endpoint, retry, signal);
    try {
      await follow(context, {
        signal,
        budgetMs,
        onConnection,
        attempt,
        onFailure: (error) => error,
      });
      pipe.end();
    } catch (error) {
      pipe.end(signal.aborted ? undefined : error);
    } finally {
      unlink();
      onConnection?.({ state: "closed" });
    }
  }

  async function readOnce(endpoint: Endpoint, retry: Retry, signal: AbortSignal): Promise<"move"> {
    let moves = false;
    await runAttempt(context, endpoint, {
      method: ChatService.method.watchSession,
      request: { sessionList: true },
      headers,
      signal,
      retry,
      onTrailer: () => undefined,
      // The server has begun to listen when its headers arrive.
      onHeader: () => onConnection?.({ state: "live", endpoint: endpoint.name }),
      async onEvent(event) {
        if (readUpdate(event, "watching")) await pipe.push({ type: "list" }, 0);
        else if (readUpdate(event, "draining")) {
          moves = leaveDraining(context, endpoint, onConnection, true);
        } else if (!isKeepAlive(event) && !readUpdate(event, "live")) {
          await pipe.push({ type: "change", event }, event.updateData.length);
        }
        return moves ? "leave" : "read on";
      },
    });
    if (!moves) throw endedEarly();
    return "move";
  }

  return pipe.items;
}
