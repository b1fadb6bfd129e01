import {
  Code,
  ConnectError,
  createContextKey,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { ChatError } from "../../chat/errors.ts";
import { requestIdKey } from "../caller.ts";
import { toConnectError } from "../convert-errors.ts";
import { requestBodyKey } from "../request-body.ts";
import { hasErrorInfo, toReadError } from "../request-errors.ts";
import type { UnexpectedError } from "./translate-errors.ts";

/** The signal of the connection under a call, which aborts when the client is gone; set by the mount. */
export const clientSignalKey = createContextKey<AbortSignal | undefined>(undefined, {
  description: "aborts when the client is gone",
});

/** Whether the request of a unary call was read and its handler called. */
const wasReadKey = createContextKey(false, { description: "the request was read" });

export type ReadErrorOptions = {
  /** How much of a request is read, for those that are told that it is too large. */
  bytesMax: number;
  report: (error: UnexpectedError) => void;
};

/** What Connect's context has beside what its type says. */
type Abortable = HandlerContext & { abort: (reason?: unknown) => void };

/**
 * Gives errors that arise below the interceptors their reason (docs/errors.md): Connect reads the request of a
 * unary call before it calls them, and writes every response after. It belongs to `requestGate`, which runs
 * before anything is read.
 *
 * Every protocol of Connect aborts its context with the error that it is about to write, and that error is
 * completed in place here: there is no other way to it (connect 2.2.0, handler-factory.js of each protocol;
 * test/e2e/undecodable.test.ts holds each to it). A deadline aborts the signal by itself, and an error may still
 * follow it. It also bounds reading by the call's deadline.
 */
export function createReadErrorGate({ bytesMax, report }: ReadErrorOptions) {
  return (context: HandlerContext): void => {
    const { signal, values, requestHeader, service, method } = context;
    values.get(requestBodyKey)?.endOn(signal);
    const complete = (error: unknown) => {
      // Nobody reads what a client that has left is told; its reason tells how it left.
      if (values.get(clientSignalKey)?.aborted === true) return;
      if (!(error instanceof ConnectError) || hasErrorInfo(error)) return;
      if (isWriteError(error, values.get(wasReadKey))) {
        const rpc = `${service.typeName}/${method.name}`;
        report({ rpc, requestId: values.get(requestIdKey), error: new Error(error.message) });
        overwrite(error, toConnectError(new ChatError("internal", "INTERNAL", "internal error")));
      } else {
        overwrite(error, toReadError(error, { header: requestHeader, bytesMax }));
      }
    };
    if (signal.aborted) complete(signal.reason);
    else signal.addEventListener("abort", () => complete(signal.reason), { once: true });
    const { abort } = context as Abortable;
    (context as Abortable).abort = (reason) => {
      complete(reason);
      abort(reason);
    };
  };
}

/** The same for the requests of streams, which are read while their handler runs. */
export function createReadErrorInterceptor(bytesMax: number): Interceptor {
  return (next) => (request) => {
    request.contextValues.set(wasReadKey, true);
    if (!request.stream) return next(request);
    const read = { header: request.header, bytesMax };
    return next({ ...request, message: explained(request.message, read) } as typeof request);
  };
}

async function* explained<T>(
  messages: AsyncIterable<T>,
  read: Parameters<typeof toReadError>[1],
): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw toReadError(error, read);
  }
}

/** A response that could not be encoded is the server's fault. */
function isWriteError({ code }: ConnectError, wasRead: boolean): boolean {
  return wasRead && (code === Code.Internal || code === Code.ResourceExhausted);
}

function overwrite(target: ConnectError, source: ConnectError) {
  const { code, message, rawMessage, details, metadata } = source;
  Object.assign(target, { code, message, rawMessage, details, metadata });
}
