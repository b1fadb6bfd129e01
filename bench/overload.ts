// `node bench/overload.ts`: the pace of the streams that a server runs at its ceiling, alone and while as many
// callers again ask for more. bench/README.md has the last result.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ChatRequestSchema } from "../src/gen/chat/chat_pb.ts";
import { callGrpc } from "./grpc-client.ts";
import { frame } from "./grpc-frame.ts";
import { describeMachine } from "./machine.ts";
import { chatwire, startServer } from "./servers.ts";
import { mean, median } from "./statistics.ts";

/** RUNNING_TURNS_MAX; as many streams run, and as many callers ask beside them. */
const ceiling = 100;
const chunks = 150;
const intervalMs = 20;
const rounds = 3;
/** How long a refused caller waits: as RetryInfo says, and a tenth of it. */
const waitsMs = [1_000, 100];
/** Until the turns of the run before have ended, and their callers are forgotten. */
const restMs = 1_000;
const runTimeoutMs = 115_000;

const request = frame(ChatRequestSchema, {
  message: "hello",
  modelId: `scripted:${chunks}x${intervalMs}`,
});

type Measured = { streamMs: number; refusals: number };

const signal = AbortSignal.timeout(runTimeoutMs);
const parent = fileURLToPath(new URL("../.tmp", import.meta.url));
mkdirSync(parent, { recursive: true });
const folder = mkdtempSync(join(parent, "overload-"));
try {
  // Turns of callers that are gone make room at once.
  const settings = { RUNNING_TURNS_MAX: String(ceiling), DISCONNECT_GRACE_MS: "0" };
  const env = { ...chatwire.env, ...settings };
  const server = await startServer({ ...chatwire, env }, folder, signal);
  try {
    await runStreams(server.port);
    const pairs: (readonly [waitMs: number, ratio: number, refusals: number])[] = [];
    for (let round = 0; round < rounds; round += 1) {
      for (const waitMs of waitsMs) {
        const alone = await runStreams(server.port);
        const loaded = await runStreams(server.port, waitMs);
        pairs.push([waitMs, alone.streamMs / loaded.streamMs, loaded.refusals]);
      }
    }
    console.log(`${describeMachine(folder, rounds)}\n`);
    for (const waitMs of waitsMs) {
      const own = pairs.filter(([pairMs]) => pairMs === waitMs);
      const pace = median(own.map(([, ratio]) => ratio)).toFixed(2);
      const refused = Math.round(mean(own.map(([, , refusals]) => refusals)));
      console.log(
        `asking again each ${waitMs} ms: pace ${pace}, ${refused} refused beside each run`,
      );
    }
  } finally {
    await server.stop();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Streams at the ceiling, whole or the run fails; with a wait, as many callers ask beside them. */
async function runStreams(port: number, waitMs?: number): Promise<Measured> {
  await pause(restMs);
  const sessions = Array.from({ length: 4 }, () => openSession(port));
  const beside = Array.from({ length: 4 }, () => openSession(port));
  const over = new AbortController();
  let refusals = 0;
  const ask = async (index: number) => {
    while (!over.signal.aborted && waitMs !== undefined) {
      await callGrpc(at(beside, index), "StreamChat", request).catch(() => {
        refusals += 1;
      });
      await pause(waitMs, undefined, { signal: over.signal }).catch(() => undefined);
    }
  };
  try {
    let begun = 0;
    const { promise: allBegun, resolve } = Promise.withResolvers<void>();
    const streams = Array.from({ length: ceiling }, async (_, index) => {
      const startMs = performance.now();
      let isFirst = true;
      const { messages } = await callGrpc(at(sessions, index), "StreamChat", request, () => {
        if (isFirst && ++begun === ceiling) resolve();
        isFirst = false;
      });
      if (messages !== chunks + 3) throw new Error(`a stream had ${messages} messages`);
      return performance.now() - startMs;
    });
    await Promise.race([allBegun, Promise.all(streams)]);
    const askers = Array.from({ length: ceiling }, (_, index) => ask(index));
    const times = await Promise.all(streams);
    over.abort();
    for (const session of beside) session.destroy();
    await Promise.all(askers);
    return { streamMs: mean(times), refusals };
  } finally {
    for (const session of [...sessions, ...beside]) session.destroy();
  }
}

function openSession(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  return session;
}

function at<T>(items: readonly T[], index: number): T {
  return items[index % items.length] as T;
}
