import { once } from "node:events";
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { type ChatRequest, ChatRequestSchema } from "../../src/gen/chat/chat_pb.ts";
import type { TestApp } from "./app.ts";
import { testCertificate } from "./certificate.ts";

export type RawConnectionOptions = {
  /** How much of a stream the server may send before its client reads, bytes. */
  streamWindowBytes?: number;
  /** The same for all streams of the connection together. */
  connectionWindowBytes?: number;
};

/** An HTTP/2 connection whose streams are read when a test says so and not before. */
export async function connectRaw(
  app: TestApp,
  { streamWindowBytes = 65_535, connectionWindowBytes = 2 ** 26 }: RawConnectionOptions = {},
): Promise<ClientHttp2Session> {
  const session = http2.connect(app.url, {
    ca: testCertificate.cert,
    settings: { initialWindowSize: streamWindowBytes },
  });
  session.on("error", () => undefined);
  app.defer(() => session.destroy());
  await once(session, "connect");
  session.setLocalWindowSize(connectionWindowBytes);
  // Its own settings are in force once the server has acknowledged them.
  if (session.pendingSettingsAck) await once(session, "localSettings");
  return session;
}

/** Resolves when the stream is over, however it ended. */
export function whenClosed(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) resolve();
    else stream.once("close", () => resolve());
  });
}

/** Calls StreamChat over gRPC and reads nothing of the reply. */
export function streamChatRaw(
  session: ClientHttp2Session,
  request: Partial<Pick<ChatRequest, "sessionId" | "message" | "modelId">>,
): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": "/chat.ChatService/StreamChat",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => undefined);
  stream.end(encodeEnvelope(0, toBinary(ChatRequestSchema, create(ChatRequestSchema, request))));
  return stream;
}
