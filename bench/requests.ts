import { fromBinary } from "@bufbuild/protobuf";
import {
  ChatRequestSchema,
  CreateSessionRequestSchema,
  CreateSessionResponseSchema,
  SessionInfoRequestSchema,
} from "../src/gen/chat/chat_pb.ts";
import { callGrpc, withSession } from "./grpc-client.ts";
import { frame, framePrefixBytes } from "./grpc-frame.ts";
import type { RunningServer } from "./servers.ts";

/** The framed requests that a server is measured with. */
export type Requests = { unary: Buffer; stream: Buffer; delay: Buffer };

/** STATUS, RESPONSE_START, 19 CHUNKs and RESPONSE_COMPLETE. */
export const streamMessages = 22;
/** A chunk each 20 ms is 50 a second. */
export const delaySchedule = { chunks: 75, intervalMs: 20 } as const;

/** The same for every server, but for the session of the unary call where the server keeps sessions. */
export async function createRequests({ port, keepsSessions }: RunningServer): Promise<Requests> {
  const { chunks, intervalMs } = delaySchedule;
  const sessionId = keepsSessions ? await openSession(port) : crypto.randomUUID();
  return {
    unary: frame(SessionInfoRequestSchema, { sessionId }),
    stream: frame(ChatRequestSchema, {
      message: "hello",
      modelId: `scripted:${streamMessages - 3}x0`,
    }),
    delay: frame(ChatRequestSchema, {
      message: "hello",
      modelId: `scripted:${chunks}x${intervalMs}`,
    }),
  };
}

function openSession(port: number): Promise<string> {
  return withSession(port, async (session) => {
    const request = frame(CreateSessionRequestSchema, {});
    const { bytes } = await callGrpc(session, "CreateSession", request);
    return fromBinary(CreateSessionResponseSchema, bytes.subarray(framePrefixBytes)).sessionId;
  });
}
