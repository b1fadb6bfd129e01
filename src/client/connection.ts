import type { ConnectError } from "@connectrpc/connect";

/** What a watch or a turn tells of its connection, as it happens and ahead of what is still buffered. */
export type ConnectionChange =
  /** An attempt begins. */
  | { state: "connecting"; endpoint: string }
  /** The stream has caught up: what happens now arrives now. */
  | { state: "live"; endpoint: string }
  /** The server is about to stop. `moving`: the stream goes on at another endpoint at once. */
  | { state: "draining"; endpoint: string; moving: boolean }
  /** The connection is gone; the next attempt begins after `retryInMs` milliseconds. */
  | { state: "lost"; endpoint: string; error: ConnectError; retryInMs: number }
  /** Nothing more comes. */
  | { state: "closed" };

/** Is told of each change. What it throws fails the stream. */
export type OnConnection = (change: ConnectionChange) => void;
