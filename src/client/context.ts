import { type ClientClock, systemClock, type Wakers } from "./clock.ts";
import { createEndpoints, type Endpoints } from "./endpoints.ts";
import { clientClosed } from "./errors.ts";
import { type ChatClientOptions, settle } from "./options.ts";

/** What every call of one client shares. */
export type ClientContext = ReturnType<typeof settle> & {
  readonly endpoints: Endpoints;
  readonly clock: ClientClock;
  readonly random: () => number;
  readonly newRequestId: () => string;
  readonly getToken: ChatClientOptions["getToken"];
  /** Aborts when the client closes. */
  readonly closed: AbortSignal;
  readonly wakers: Wakers;
  /** Calls that close waits for; none of them rejects. */
  readonly running: Set<Promise<void>>;
};

/** Makes what every call of one client shares; `close` ends them all, and waits until they have ended. */
export function createContext(options: ChatClientOptions): {
  context: ClientContext;
  close: () => Promise<void>;
} {
  const closing = new AbortController();
  const clock = options.clock ?? systemClock;
  const context: ClientContext = {
    ...settle(options),
    endpoints: createEndpoints(options.endpoints, clock),
    clock,
    random: options.random ?? Math.random,
    newRequestId: options.newRequestId ?? randomId,
    getToken: options.getToken,
    closed: closing.signal,
    wakers: new Set(),
    running: new Set(),
  };
  let closed: Promise<void> | undefined;
  const close = async () => {
    closing.abort(clientClosed());
    while (context.running.size > 0) await Promise.all(context.running);
    context.endpoints.close();
  };
  return {
    context,
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}

/** Holds a call until it has ended, for close to wait for. */
export function hold(context: ClientContext, call: Promise<unknown>): void {
  const settled = call.then(
    () => undefined,
    () => undefined,
  );
  context.running.add(settled);
  void settled.then(() => context.running.delete(settled));
}

/** A controller that aborts with any of the signals, until it is unlinked. */
export function linkedController(...signals: (AbortSignal | undefined)[]): {
  controller: AbortController;
  unlink: () => void;
} {
  const controller = new AbortController();
  const undo: (() => void)[] = [];
  for (const signal of signals) {
    if (signal === undefined) continue;
    const onAbort = () => controller.abort(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    undo.push(() => signal.removeEventListener("abort", onAbort));
  }
  return {
    controller,
    unlink: () => {
      for (const each of undo) each();
    },
  };
}

/** 128 random bits; `crypto.randomUUID` is missing on pages that came by plain HTTP. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
