import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  Code,
  createContextValues,
  createServiceImplSpec,
  type ServiceImpl,
} from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { ChatRequestSchema, ChatService } from "../../../../src/gen/chat/chat_pb.ts";
import { createGrpcHandler } from "../../../../src/service/grpc/handler.ts";
import { cutBytes } from "../../../support/cut-bytes.ts";

test("a call whose reader takes nothing ends when its deadline passes", async () => {
  let isLeft = false;
  const implementation: Partial<ServiceImpl<typeof ChatService>> = {
    async *streamChat() {
      try {
        yield { chunkText: "never read" };
      } finally {
        isLeft = true;
      }
    },
  };
  const { streamChat } = createServiceImplSpec(ChatService, implementation).methods;
  assert.ok(streamChat);
  const body = encodeEnvelope(0, toBinary(ChatRequestSchema, create(ChatRequestSchema)));
  const ended = Promise.withResolvers<Headers>();
  const call = {
    url: "http://localhost/chat.ChatService/StreamChat",
    header: new Headers({ "content-type": "application/grpc", "grpc-timeout": "20m" }),
    signal: new AbortController().signal,
    contextValues: createContextValues(),
    body: cutBytes(body, [body.length]),
  };
  await createGrpcHandler(streamChat, {})(call, () => ({
    isOpen: () => true,
    send: () => new Promise(() => undefined),
    end: ended.resolve,
  }));
  assert.equal((await ended.promise).get("grpc-status"), String(Code.DeadlineExceeded));
  assert.ok(isLeft);
});
