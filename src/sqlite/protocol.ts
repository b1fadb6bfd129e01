import { inspect } from "node:util";
import {
  ChatError,
  type ChatErrorKind,
  type ChatErrorOptions,
  type ErrorReason,
} from "../chat/errors.ts";
import {
  DatabaseInUseError,
  type DatabaseOwner,
  DatabaseTooNewError,
  DatabaseUnusableError,
} from "./errors.ts";

/** `full`: what a durable operation wrote survives a power cut; `normal`: it survives `kill -9`. */
export type Durability = "full" | "normal";

/** What the writing thread is started with. */
export type WorkerOptions = {
  file: string;
  /** Addresses of the operation modules, see OperationModule. */
  modules: readonly string[];
  owner: DatabaseOwner;
};

/** What the reading thread is started with, once the file is ours and its schema up to date. */
export type ReaderOptions = {
  /** As the writing thread has resolved it. */
  file: string;
  modules: readonly string[];
};

export type OperationRequest = { name: string; args: unknown };

/** How large the WAL is, in pages, and how many of these are not in the database yet. */
export type WalState = { pages: number; unmoved: number };

/** To the writing thread; each but `close` is answered by one WorkerReply, `close` by the worker's exit. */
export type WorkerRequest =
  | {
      type: "batch";
      /** Synced to the disk before it is answered. */
      sync: boolean;
      operations: readonly OperationRequest[];
    }
  | { type: "close" };

export type Outcome = { value: unknown } | { error: SerializedError };

export type WorkerReply =
  | { type: "ready"; file: string }
  | { type: "refused"; error: SerializedError }
  | {
      type: "batch";
      outcomes: readonly Outcome[];
      /** Undefined where nothing was written. */
      wal: WalState | undefined;
    };

/** To the reading thread; each but `close` is answered by one ReaderReply, `close` by its exit. */
export type ReaderRequest =
  | { type: "read"; operation: OperationRequest }
  | { type: "checkpoint" }
  | { type: "close" };

export type ReaderReply =
  | { type: "ready" }
  | { type: "refused"; error: SerializedError }
  | { type: "read"; outcome: Outcome }
  /** Undefined where it failed. */
  | { type: "checkpoint"; wal: WalState | undefined };

/** An error in a form that structured clone keeps whole: it drops an error's class and own fields. */
export type SerializedError =
  | {
      type: "chat";
      kind: ChatErrorKind;
      reason: ErrorReason;
      message: string;
      options: ChatErrorOptions;
    }
  | { type: "in-use"; file: string; owner: DatabaseOwner | undefined }
  | { type: "too-new" | "unusable" | "other"; file: string; message: string; stack: string };

export function serializeError(error: unknown): SerializedError {
  if (error instanceof ChatError) return serializeChatError(error);
  if (error instanceof DatabaseInUseError) {
    const owner =
      error.pid === undefined ? undefined : { pid: error.pid, url: error.url, startedAt: 0 };
    return { type: "in-use", file: error.file, owner };
  }
  const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  if (error instanceof DatabaseTooNewError) {
    return { type: "too-new", file: error.file, message, stack };
  }
  if (error instanceof DatabaseUnusableError) {
    return { type: "unusable", file: error.file, message, stack };
  }
  return { type: "other", file: "", message, stack };
}

export function deserializeError(serialized: SerializedError): Error {
  switch (serialized.type) {
    case "chat":
      return new ChatError(
        serialized.kind,
        serialized.reason,
        serialized.message,
        serialized.options,
      );
    case "in-use":
      return new DatabaseInUseError(serialized.file, serialized.owner);
    case "too-new":
      return restore(new DatabaseTooNewError(serialized.file, ""), serialized);
    case "unusable":
      return restore(new DatabaseUnusableError(serialized.file, ""), serialized);
    case "other":
      return restore(new Error(), serialized);
  }
}

function serializeChatError(error: ChatError): SerializedError {
  const { kind, reason, message, retryable, retryAfterMs, cause } = error;
  const options: ChatErrorOptions = {
    retryable,
    fields: [...error.fields],
    quotas: [...error.quotas],
    metadata: { ...error.metadata },
    // A text: the cause is for the server's log, and anything else might not survive the clone.
    ...(cause === undefined ? {} : { cause: inspect(cause) }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  return { type: "chat", kind, reason, message, options };
}

function restore(error: Error, { message, stack }: { message: string; stack: string }): Error {
  error.message = message;
  error.stack = stack;
  return error;
}
