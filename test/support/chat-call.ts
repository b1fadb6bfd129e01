import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, type Client, ConnectError } from "@connectrpc/connect";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import type {
  ChatRequestSchema,
  ChatResponse,
  ChatResponse_Type,
  ChatService,
} from "../../src/gen/chat/chat_pb.ts";
import { typeNames } from "./wire.ts";

/** An open call of the bidirectional Chat RPC. */
export type ChatCall = {
  /** Every event so far. */
  readonly events: readonly ChatResponse[];
  send(request: MessageInitShape<typeof ChatRequestSchema>): Promise<void>;
  halfClose(): void;
  /** Ends the call from this side. */
  cancel(): void;
  /** The first event, past or to come, that fits; fails when the stream ends without. */
  first(fits: (event: ChatResponse) => boolean): Promise<ChatResponse>;
  firstOf(type: ChatResponse_Type): Promise<ChatResponse>;
  /** Resolves when the stream has ended, with its error where it failed. */
  readonly ended: Promise<ConnectError | undefined>;
};

export function openChat(
  chat: Client<typeof ChatService>,
  options: Omit<CallOptions, "signal"> = {},
): ChatCall {
  const requests = createWritableIterable<MessageInitShape<typeof ChatRequestSchema>>();
  const abort = new AbortController();
  const events: ChatResponse[] = [];
  const waiting = new Set<() => void>();
  const look = () => {
    for (const check of waiting) check();
  };
  let over = false;
  const read = async () => {
    try {
      for await (const event of chat.chat(requests, { ...options, signal: abort.signal })) {
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
  const call: ChatCall = {
    events,
    ended: read(),
    send: (request) => requests.write(request),
    halfClose: () => requests.close(),
    cancel: () => abort.abort(),
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
  };
  return call;
}
