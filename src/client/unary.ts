import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryResponse } from "@connectrpc/connect";
import { timerMsMax, unlessAborted } from "./clock.ts";
import { type ClientContext, hold, linkedController } from "./context.ts";
import type { Endpoint } from "./endpoints.ts";
import { createRetry } from "./retry.ts";
import { callHeaders, type HeaderFields } from "./token.ts";

/** How one unary call is made. */
export type UnaryOptions = {
  /** Leaves the call; it then fails with CANCELED. */
  signal?: AbortSignal;
  /** The deadline of each attempt, milliseconds. Default: the client's unaryTimeoutMs. */
  timeoutMs?: number;
  headers?: HeaderFields;
  /** Told of the response headers. */
  onHeader?: (header: Headers) => void;
  /** Told of the response trailers. */
  onTrailer?: (trailer: Headers) => void;
};

/** How a method may be called again. */
export type UnaryRules = {
  /** False: sent once, as nobody knows whether a lost attempt took effect. Default true. */
  repeatable?: boolean;
  /** How long after its first failure it is tried again, milliseconds. Default: the policy's. */
  budgetMs?: number;
  /** Told of each failed attempt that is followed by another. */
  onRetry?: (error: ConnectError) => void;
};

/** Calls a unary method: a deadline for each attempt, and as many attempts as the budget and the rules allow. */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  context: ClientContext,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  options: UnaryOptions = {},
  rules: UnaryRules = {},
): Promise<MessageShape<O>> {
  const call = attemptAll(context, method, request, options, rules);
  hold(context, call);
  return call;
}

async function attemptAll<I extends DescMessage, O extends DescMessage>(
  context: ClientContext,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  options: UnaryOptions,
  { repeatable = true, budgetMs = context.retry.unaryBudgetMs, onRetry }: UnaryRules,
): Promise<MessageShape<O>> {
  const { controller, unlink } = linkedController(context.closed, options.signal);
  const { signal } = controller;
  const onWait = (error: ConnectError) => onRetry?.(error);
  const retry = createRetry(context, { signal, budgetMs, onWait });
  const message = create(method.input, request);
  let response: UnaryResponse<I, O> | undefined;
  try {
    while (response === undefined) {
      const endpoint = context.endpoints.pick();
      try {
        response = await attemptOnce(context, endpoint, method, message, options, signal);
      } catch (error) {
        if (!repeatable) throw error;
        await retry.again(ConnectError.from(error), endpoint);
      }
    }
  } catch (error) {
    throw ConnectError.from(signal.aborted ? signal.reason : error);
  } finally {
    unlink();
  }
  options.onHeader?.(response.header);
  options.onTrailer?.(response.trailer);
  return response.message;
}

async function attemptOnce<I extends DescMessage, O extends DescMessage>(
  context: ClientContext,
  endpoint: Endpoint,
  method: DescMethodUnary<I, O>,
  message: MessageShape<I>,
  options: UnaryOptions,
  outer: AbortSignal,
): Promise<UnaryResponse<I, O>> {
  const timeoutMs = options.timeoutMs ?? context.unaryTimeoutMs;
  // What no timer can hold is no deadline.
  const wireTimeoutMs = timeoutMs <= timerMsMax ? timeoutMs : undefined;
  const { controller, unlink } = linkedController(outer);
  const { signal } = controller;
  // The transport has the same deadline and tells it to the server; this one also ends a getToken that hangs
  // and a transport that is deaf to its own.
  const timer = context.clock.setTimeout(
    () => controller.abort(new ConnectError(`no answer in ${timeoutMs} ms`, Code.DeadlineExceeded)),
    Math.min(timeoutMs, timerMsMax),
  );
  try {
    const headers = await callHeaders(context, options.headers, signal);
    const input = message as MessageInitShape<I>;
    return await unlessAborted(
      endpoint.transport.unary(method, signal, wireTimeoutMs, headers, input),
      signal,
    );
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    context.clock.clearTimeout(timer);
    unlink();
  }
}
