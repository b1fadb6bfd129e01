// The contract by @grpc/proto-loader on @grpc/grpc-js, with handlers that do nothing.
import { fileURLToPath } from "node:url";
import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { createReplies, due, scheduleOf } from "./replies.ts";

const proto = fileURLToPath(new URL("../../proto/chat/chat.proto", import.meta.url));
const { chat } = loadPackageDefinition(loadSync(proto)) as unknown as {
  chat: { ChatService: ServiceClientConstructor };
};
const replies = createReplies((value) => value);

const server = new Server();
server.addService(chat.ChatService.service, {
  GetSessionInfo(_call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) {
    answer(null, replies.sessionInfo());
  },
  async StreamChat(call: ServerWritableStream<{ modelId: string }, unknown>) {
    const { chunks, intervalMs } = scheduleOf(call.request.modelId);
    const startMs = performance.now();
    call.write(replies.status());
    call.write(replies.start());
    for (let number = 1; number <= chunks; number += 1) {
      const wait = due(startMs, intervalMs, number);
      if (wait) await wait;
      call.write(replies.chunk(number));
    }
    call.write(replies.complete(chunks));
    call.end();
  },
});

server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`listens on http://127.0.0.1:${port}`);
});
