import {
  create,
  type DescMessage,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import * as grpcWeb from "grpc-web";
import {
  ChatRequestSchema,
  type ChatResponse,
  ChatResponseSchema,
  ChatService,
  CreateSessionRequestSchema,
  CreateSessionResponseSchema,
} from "../../src/gen/chat/chat_pb.ts";

/** What a run of either client in a page comes to. */
export type GrpcWebRun = { text: string; code: number; message: string };

const modelId = "scripted:20x5";

/** connect-web's gRPC-Web transport. */
async function runConnectWeb(): Promise<GrpcWebRun> {
  const chat = createClient(ChatService, createGrpcWebTransport({ baseUrl: location.origin }));
  const { sessionId } = await chat.createSession({ modelId });
  let text = "";
  for await (const event of chat.streamChat({ sessionId, message: "Count" }))
    text += event.chunkText;
  const failure = await chat.getSessionInfo({ sessionId: "none" }).then(
    () => ({ code: 0, rawMessage: "" }),
    (error: { code: number; rawMessage: string }) => error,
  );
  return { text, code: failure.code, message: failure.rawMessage };
}

/** Google's runtime, with the messages of protobuf-es. */
async function runGoogle(): Promise<GrpcWebRun> {
  const client = new grpcWeb.GrpcWebClientBase({ format: "binary" });
  const { sessionId } = await client.unaryCall(
    `${location.origin}/chat.ChatService/CreateSession`,
    create(CreateSessionRequestSchema, { modelId }),
    {},
    describe("CreateSession", "unary", CreateSessionRequestSchema, CreateSessionResponseSchema),
  );
  const text = await new Promise<string>((resolve, reject) => {
    let chunks = "";
    client
      .serverStreaming(
        `${location.origin}/chat.ChatService/StreamChat`,
        create(ChatRequestSchema, { sessionId, message: "Count" }),
        {},
        describe("StreamChat", "server_streaming", ChatRequestSchema, ChatResponseSchema),
      )
      .on("data", (event: ChatResponse) => {
        chunks += event.chunkText;
      })
      .on("error", reject)
      .on("end", () => resolve(chunks));
  });
  const failure = await client
    .unaryCall(
      `${location.origin}/chat.ChatService/SendMessage`,
      create(ChatRequestSchema, { sessionId: "none", message: "x" }),
      {},
      describe("SendMessage", "unary", ChatRequestSchema, ChatResponseSchema),
    )
    .then(
      () => ({ code: 0, message: "" }),
      (error: grpcWeb.RpcError) => error,
    );
  return { text, code: failure.code, message: failure.message };
}

function describe<I extends DescMessage, O extends DescMessage>(
  name: string,
  type: string,
  input: I,
  output: O,
): grpcWeb.MethodDescriptor<MessageShape<I>, MessageShape<O>> {
  // The runtime wants constructors and uses them for nothing.
  const none = Object as unknown as new () => never;
  return new grpcWeb.MethodDescriptor(
    `/chat.ChatService/${name}`,
    type,
    none,
    none,
    (message: MessageShape<I>) => toBinary(input, message),
    (bytes: Uint8Array) => fromBinary(output, bytes),
  );
}

Object.assign(globalThis, { runConnectWeb, runGoogle });
