import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import { runAttempt } from "../../../src/client/attempt.ts";
import { createContext } from "../../../src/client/context.ts";
import { createRetry } from "../../../src/client/retry.ts";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import { createFakeChat } from "../../support/fake-chat.ts";
import { createFakeReplica } from "../../support/fake-replica.ts";
import { createVirtualClock } from "../../support/virtual-clock.ts";

test("an attempt leaves no listener, waker or timer, however it ends", async () => {
  const chat = createFakeChat();
  const { routes } = createFakeReplica(chat);
  const endpoint = { name: "e", transport: createRouterTransport(routes) };
  const clock = createVirtualClock();
  const { context } = createContext({ endpoints: [endpoint], clock });
  const { signal } = new AbortController();
  chat.openSession("s");
  const attempt = (sessionId: string, untilIdle: boolean) =>
    runAttempt(context, endpoint, {
      method: ChatService.method.watchSession,
      request: { sessionId, untilIdle },
      headers: undefined,
      signal,
      retry: createRetry(context, { signal, budgetMs: 1 }),
      onHeader: () => {},
      onTrailer: () => {},
      onEvent: async () => (untilIdle ? "read on" : "leave"),
    });
  await attempt("s", true);
  await attempt("s", false);
  await assert.rejects(attempt("nowhere", true));
  assert.equal(getEventListeners(signal, "abort").length, 0);
  assert.equal(context.wakers.size, 0);
  assert.equal(clock.pending(), 0);
});
