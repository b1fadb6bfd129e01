import type { MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import type { ChatResponse, ChatService } from "../gen/chat/chat_pb.ts";
import { unlessAborted } from "./clock.ts";
import { type ClientContext, linkedController } from "./context.ts";
import type { Endpoint } from "./endpoints.ts";
import { connectionSilent } from "./errors.ts";
import type { Retry } from "./retry.ts";
import { createSilenceGuard, type SilenceGuard } from "./silence.ts";
import { callHeaders, type HeaderFields } from "./token.ts";
import { readUpdate } from "./updates.ts";

type StreamMethod = typeof ChatService.method.watchSession | typeof ChatService.method.streamChat;

/** `ending`: only the stream's regular end is still worth a short wait. */
export type Next = "read on" | "ending" | "leave";

/** One call of a streaming method, from its token to its end. */
export type Attempt<M extends StreamMethod> = {
  method: M;
  request: MessageInitShape<M["input"]>;
  headers: HeaderFields | undefined;
  signal: AbortSignal;
  /** Told of it when the stream has worked for a while. */
  retry: Retry;
  /** Told once, before the first event. */
  onHeader(header: Headers): void;
  /** Takes one event; the next is not read before this resolves. */
  onEvent(event: ChatResponse): Promise<Next>;
  /** Told at the regular end of the stream. */
  onTrailer(trailer: Headers): void;
};

/** A stream that was open for so long worked: the waits start again, milliseconds. */
const workingMsMin = 5_000;
/** What the contract promises where the server does not say: a heartbeat each 15 s. */
const heartbeatMsDefault = 15_000;
/** After its last event a stream has this long to end, milliseconds; its trailers are worth no more. */
const endingMsMax = 2_000;

/**
 * Resolves when the stream has ended without error, or `onEvent` leaves it; throws a ConnectError for
 * everything else, silence included. Whichever way, nothing of the call is left.
 */
export async function runAttempt<M extends StreamMethod>(
  context: ClientContext,
  endpoint: Endpoint,
  attempt: Attempt<M>,
): Promise<void> {
  const { controller, unlink } = linkedController(attempt.signal);
  const { signal } = controller;
  const guard = createSilenceGuard(context.clock, context.firstEventTimeoutMs, (ms) =>
    controller.abort(connectionSilent(ms)),
  );
  let openSince: number | undefined;
  context.wakers.add(guard.check);
  guard.listen();
  try {
    const response = await open(context, endpoint, attempt, signal);
    openSince = context.clock.now();
    await readEvents(context, attempt, response, signal, guard);
  } catch (error) {
    throw ConnectError.from(signal.aborted ? signal.reason : error);
  } finally {
    guard.stop();
    context.wakers.delete(guard.check);
    unlink();
    // connect-es does not forward `return`: only this ends the call on the wire.
    controller.abort();
    const openMs = openSince === undefined ? 0 : context.clock.now() - openSince;
    if (openMs >= workingMsMin) attempt.retry.progress();
  }
}

type Opened = { header: Headers; trailer: Headers; message: AsyncIterable<ChatResponse> };

async function open<M extends StreamMethod>(
  context: ClientContext,
  { transport }: Endpoint,
  { method, request, headers: extra }: Attempt<M>,
  signal: AbortSignal,
): Promise<Opened> {
  const headers = await callHeaders(context, extra, signal);
  // Both methods answer with ChatResponses; a type parameter hides that.
  const call = transport.stream(method, signal, undefined, headers, once(request));
  return unlessAborted(call as Promise<Opened>, signal);
}

async function readEvents<M extends StreamMethod>(
  context: ClientContext,
  attempt: Attempt<M>,
  { header, trailer, message }: Opened,
  signal: AbortSignal,
  guard: SilenceGuard,
): Promise<void> {
  attempt.onHeader(header);
  let heartbeatMs = Number(header.get("chat-heartbeat-ms"));
  const iterator = message[Symbol.asyncIterator]();
  for (;;) {
    guard.listen();
    const result = await unlessAborted(iterator.next(), signal);
    guard.pause();
    if (result.done === true) break;
    const event = result.value;
    heartbeatMs = readUpdate(event, "watching")?.heartbeatMs ?? heartbeatMs;
    const next = await attempt.onEvent(event);
    if (next === "leave") return;
    guard.limit(next === "ending" ? endingMsMax : silentMsMax(context, heartbeatMs));
  }
  attempt.onTrailer(trailer);
}

function silentMsMax({ heartbeatFactor }: ClientContext, heartbeatMs: number): number {
  return heartbeatFactor * (heartbeatMs > 0 ? heartbeatMs : heartbeatMsDefault);
}

async function* once<T>(value: T): AsyncIterable<T> {
  yield value;
}
