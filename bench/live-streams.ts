import type { ClientHttp2Session } from "node:http2";
import { ChatRequestSchema } from "../src/gen/chat/chat_pb.ts";
import { callGrpc, withSession } from "./grpc-client.ts";
import { frame } from "./grpc-frame.ts";
import { percentile } from "./statistics.ts";

/** Streams that are read while something goes on beside them. */
export const liveStreams = { streams: 25, chunks: 200, intervalMs: 20 } as const;

/** STATUS and RESPONSE_START. */
const messagesBefore = 2;

/** How late chunks came, milliseconds. */
export type Lateness = { p50: number; p99: number; max: number };

/** Reads live streams on a connection of their own to the server on this port. */
export async function readLiveStreams(port: number): Promise<Lateness> {
  const lateness = await withSession(port, async (session) => {
    const reading = Array.from({ length: liveStreams.streams }, () => readStream(session));
    return (await Promise.all(reading)).flat();
  });
  const at = (percent: number) => percentile(lateness, percent);
  return { p50: at(50), p99: at(99), max: at(100) };
}

/** How much later each chunk came than its stream's most punctual one says that it should. */
async function readStream(session: ClientHttp2Session): Promise<number[]> {
  const { chunks, intervalMs } = liveStreams;
  const modelId = `scripted:${chunks}x${intervalMs}`;
  const request = frame(ChatRequestSchema, { message: "live", modelId });
  const arrivals: number[] = [];
  await callGrpc(session, "StreamChat", request, (count) => {
    const nowMs = performance.now();
    for (let arrived = 0; arrived < count; arrived += 1) arrivals.push(nowMs);
  });
  const offsets = arrivals
    .slice(messagesBefore, messagesBefore + chunks)
    .map((arrivalMs, index) => arrivalMs - (index + 1) * intervalMs);
  const punctual = Math.min(...offsets);
  return offsets.map((offset) => offset - punctual);
}
