import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DelayClient, DelayResult } from "./delay.ts";
import { callGrpc, withSession } from "./grpc-client.ts";
import { type LoadResult, runH2load } from "./h2load.ts";
import { createRequests, delaySchedule, streamMessages } from "./requests.ts";
import type { RunningServer } from "./servers.ts";

/** Connections of every measurement; each is to carry at most as many calls as chatwire allows. */
const connections = 4;
const unaryInFlight = 32;
const streamsInFlight = 25;
const delayedStreams = 500;

/** How long h2load is to run, seconds, as far as the warm-up can tell. */
const loadSeconds = 1.2;
const warmUpCalls = { unary: 3_000, stream: 600 } as const;
/** Of the calls of a run, the share of its bytes that may differ from the call that was checked. */
const bytesTolerance = 0.1;

/** A server with everything that its measurements need. */
export interface Subject {
  readonly name: string;
  unaryPerSecond(): Promise<number>;
  streamsPerSecond(): Promise<number>;
  delay(client: DelayClient): Promise<DelayResult>;
}

/** Checks that the server answers in full, and warms it up where h2load is there. */
export async function prepareSubject(
  server: RunningServer,
  folder: string,
  options: { load: boolean; signal: AbortSignal },
): Promise<Subject> {
  const { port, name } = server;
  const requests = await createRequests(server);
  const unary = await prepareLoad(server, folder, "GetSessionInfo", requests.unary, 1, options);
  const stream = await prepareLoad(
    server,
    folder,
    "StreamChat",
    requests.stream,
    streamMessages,
    options,
  );
  return {
    name,
    unaryPerSecond: unary,
    streamsPerSecond: stream,
    delay: (client) =>
      client.measure({
        port,
        requestBase64: requests.delay.toString("base64"),
        streams: delayedStreams,
        connections,
        ...delaySchedule,
      }),
  };
}

/** Resolves with what runs the load once and tells its calls per second. */
async function prepareLoad(
  { port, name }: RunningServer,
  folder: string,
  rpc: "GetSessionInfo" | "StreamChat",
  request: Buffer,
  messages: number,
  { load, signal }: { load: boolean; signal: AbortSignal },
): Promise<() => Promise<number>> {
  const checked = await withSession(port, (session) => callGrpc(session, rpc, request));
  if (checked.messages !== messages) {
    throw new Error(`${name} answers ${rpc} with ${checked.messages} messages, not ${messages}`);
  }
  const requestFile = join(folder, `${rpc}.bin`);
  writeFileSync(requestFile, request);
  const streamsPerConnection = messages === 1 ? unaryInFlight : streamsInFlight;
  const run = async (calls: number): Promise<LoadResult> => {
    const shape = { port, rpc, requestFile, calls, connections, streamsPerConnection };
    const result = await runH2load(shape, signal);
    // h2load counts a call that failed in its trailers as good; its missing bytes tell.
    const expected = checked.bytes.length;
    if (Math.abs(result.bytesPerCall - expected) > expected * bytesTolerance) {
      throw new Error(`${name}: ${rpc} gave ${result.bytesPerCall} bytes a call, not ${expected}`);
    }
    return result;
  };
  if (!load) return () => Promise.resolve(Number.NaN);
  const warmUp = await run(messages === 1 ? warmUpCalls.unary : warmUpCalls.stream);
  let calls = Math.ceil(warmUp.callsPerSecond * loadSeconds);
  return async () => {
    const { callsPerSecond } = await run(calls);
    calls = Math.ceil(callsPerSecond * loadSeconds);
    return callsPerSecond;
  };
}
