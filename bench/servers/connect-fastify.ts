// Connect on Fastify as its documentation sets it up, with handlers that do nothing.
import type { AddressInfo } from "node:net";
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import Fastify from "fastify";
import { ChatService } from "../../src/gen/chat/chat_pb.ts";
import { createReplies, due, scheduleOf } from "./replies.ts";

const replies = createReplies(BigInt);
const fastify = Fastify({ http2: true });
await fastify.register(fastifyConnectPlugin, {
  routes(router) {
    router.service(ChatService, {
      getSessionInfo: () => replies.sessionInfo(),
      async *streamChat({ modelId }) {
        const { chunks, intervalMs } = scheduleOf(modelId);
        const startMs = performance.now();
        yield replies.status();
        yield replies.start();
        for (let number = 1; number <= chunks; number += 1) {
          const wait = due(startMs, intervalMs, number);
          if (wait) await wait;
          yield replies.chunk(number);
        }
        yield replies.complete(chunks);
      },
    });
  },
});
await fastify.listen({ host: "127.0.0.1", port: 0 });
const { port } = fastify.server.address() as AddressInfo;
console.log(`listens on http://127.0.0.1:${port}`);
