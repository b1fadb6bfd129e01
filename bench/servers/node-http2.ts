// node:http2 alone: it answers with bytes that were made before, whatever it is asked. Nothing that speaks
// gRPC on Node can be faster.
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { fromBinary } from "@bufbuild/protobuf";
import {
  ChatRequestSchema,
  ChatResponseSchema,
  SessionInfoResponseSchema,
} from "../../src/gen/chat/chat_pb.ts";
import { frame, framePrefixBytes } from "../grpc-frame.ts";
import { createReplies, due, type Schedule, scheduleOf } from "./replies.ts";

type PreparedStream = Schedule & { parts: Buffer[]; whole: Buffer };

const replies = createReplies(BigInt);
const sessionInfo = frame(SessionInfoResponseSchema, replies.sessionInfo());
/** By the bytes of the request. */
const prepared = new Map<string, PreparedStream>();

function prepare(request: Buffer): PreparedStream {
  const key = request.toString("latin1");
  const known = prepared.get(key);
  if (known) return known;
  const { modelId } = fromBinary(ChatRequestSchema, request.subarray(framePrefixBytes));
  const { chunks, intervalMs } = scheduleOf(modelId);
  const first = [replies.status(), replies.start()];
  const parts = Array.from({ length: chunks }, (_, index) => replies.chunk(index + 1));
  const all = [...first, ...parts, replies.complete(chunks)].map((one) =>
    frame(ChatResponseSchema, one),
  );
  const stream = { chunks, intervalMs, parts: all, whole: Buffer.concat(all) };
  prepared.set(key, stream);
  return stream;
}

async function streamChat(stream: ServerHttp2Stream, request: Buffer): Promise<void> {
  const { parts, whole, chunks, intervalMs } = prepare(request);
  if (intervalMs === 0) {
    stream.end(whole);
    return;
  }
  const startMs = performance.now();
  for (const [index, part] of parts.entries()) {
    // STATUS and START come at once, the end with the last chunk.
    const number = Math.min(index - 1, chunks);
    if (number > 0) await due(startMs, intervalMs, number);
    stream.write(part);
  }
  stream.end();
}

const server = createServer();
server.on("stream", (stream: ServerHttp2Stream, headers) => {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.on("error", () => undefined);
  if (headers[":path"] === "/chat.ChatService/GetSessionInfo") {
    stream.resume();
    stream.end(sessionInfo);
    return;
  }
  stream.once("data", (request: Buffer) => void streamChat(stream, request));
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  console.log(`listens on http://127.0.0.1:${port}`);
});
