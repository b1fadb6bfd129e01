import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, type Client, ConnectError } from "@connectrpc/connect";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import type {
  ChatRequestSchema,
  ChatResponse,
  ChatResponse_Type,
  ChatService,
  WatchSessionRequestSchema,
} from "../../src/gen/chat/chat_pb.ts";
import { typeNames } from "./wire.ts";

/** An open call whose answers stream: StreamChat or WatchSession. It is read as fast as it comes. */
export type StreamCall = {
  /** Every event so far. */
  readonly events: readonly ChatResponse[];
  /** The recorded ones among them. */
  recorded(): ChatResponse[];
  /** The first event, past or to come, that fits; fails when the stream ends without. */
  first(fits: (event: ChatResponse) => boolean): Promise<ChatResponse>;
  firstOf(type: ChatResponse_Type): Promise<ChatResponse>;
  /** The data of the first SESSION_UPDATE of that type. */
  update(updateType: string): Promise<Record<string, unknown>>;
  /** Ends the call from this side. */
  abort(): void;
  /** Resolves when the stream has ended, with its error where it failed. */
  readonly ended: Promise<ConnectError | undefined>;
};

/** An open call of the bidirectional Chat RPC. */
export type ChatCall = StreamCall & {
  send(request: MessageInitShape<typeof ChatRequestSchema>): Promise<void>;
  halfClose(): void;
  /** The same as `abort`. */
  cancel(): void;
};

type Chat = Client<typeof ChatService>;
type Options = Omit<CallOptions, "signal">;

export function openStreamChat(
  chat: Chat,
  request: MessageInitShape<typeof ChatRequestSchema>,
  options: Options = {},
): StreamCall {
  return openStream((signal) => chat.streamChat(request, { ...options, signal }));
}

export function openWatch(
  chat: Chat,
  request: MessageInitShape<typeof WatchSessionRequestSchema>,
  options: Options = {},
): StreamCall {
  return openStream((signal) => chat.watchSession(request, { ...options, signal }));
}

export function openChat(chat: Chat, options: Options = {}): ChatCall {
  const requests = createWritableIterable<MessageInitShape<typeof ChatRequestSchema>>();
  const call = openStream((signal) => chat.chat(requests, { ...options, signal }));
  return Object.assign(call, {
    send: (request: MessageInitShape<typeof ChatRequestSchema>) => requests.write(request),
    halfClose: () => requests.close(),
    cancel: call.abort,
  });
}

function openStream(open: (signal: AbortSignal) => AsyncIterable<ChatResponse>): StreamCall {
  const abort = new AbortController();
  const events: ChatResponse[] = [];
  const waiting = new Set<() => void>();
  const look = () => {
    for (const check of waiting) check();
  };
  let over = false;
  const read = async () => {
    try {
      for await (const event of open(abort.signal)) {
        events.push(event);
        look();
      }
      return undefined;
    } catch (error) {
      return ConnectError.from(error);
    } finally {
      over = true;
      look();
    }
  };
  const call: StreamCall = {
    events,
    ended: read(),
    recorded: () => events.filter(({ sequence }) => sequence > 0n),
    abort: () => abort.abort(),
    first(fits) {
      const { promise, resolve, reject } = Promise.withResolvers<ChatResponse>();
      const check = () => {
        const found = events.find(fits);
        if (!found && !over) return;
        waiting.delete(check);
        if (found) resolve(found);
        else
          reject(new assert.AssertionError({ message: `ended after ${typeNames(events).join()}` }));
      };
      waiting.add(check);
      check();
      return promise;
    },
    firstOf: (type) => call.first((event) => event.type === type),
    update: async (updateType) =>
      dataOf(await call.first((event) => event.updateType === updateType)),
  };
  return call;
}

/** The facts of a SESSION_UPDATE. */
export function dataOf({ updateData }: ChatResponse): Record<string, unknown> {
  return JSON.parse(updateData);
}
