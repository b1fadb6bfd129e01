// `node bench/durability.ts`: what it costs that nothing is lost. The same streams with the SQLite log and
// with DATABASE_URL=memory:, in turns: how many are held at 50 chunks/s, and the processor time of a chunk.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DelayClient, startDelayClient } from "./delay.ts";
import { describeMachine } from "./machine.ts";
import { createRequests, delaySchedule } from "./requests.ts";
import { chatwire, type RunningServer, startServer } from "./servers.ts";
import { median } from "./statistics.ts";
import { cpuTimes } from "./thread-times.ts";

const runTimeoutMs = 300_000;
const rounds = 3;
/** Streams at once that are tried. */
const steps = [50, 100, 150, 200, 250, 300, 400, 500, 700, 1_000, 1_400, 2_000];
/** A stream is held when it takes so much longer than its schedule at most. */
const delayPercentMax = 10;
const connections = 8;
/** Streams that processor time is taken of: few enough that both servers hold them. */
const streamsTimed = 50;

const durable = { ...chatwire, name: "SQLite, DURABILITY=full" };
const forgetful = { ...durable, name: "memory", env: { ...chatwire.env, DATABASE_URL: "memory:" } };

type Result = { held: number[]; mainMicros: number[]; otherMicros: number[] };

const signal = AbortSignal.timeout(runTimeoutMs);
const parent = fileURLToPath(new URL("../.tmp", import.meta.url));
mkdirSync(parent, { recursive: true });
const folder = mkdtempSync(join(parent, "durability-"));
const servers: RunningServer[] = [];
let client: DelayClient | undefined;
try {
  for (const spec of [durable, forgetful]) {
    servers.push(await startServer(spec, join(folder, spec.name), signal));
  }
  client = startDelayClient(signal);
  const results = new Map<string, Result>();
  for (const server of servers) {
    results.set(server.name, { held: [], mainMicros: [], otherMicros: [] });
    await measure(server, client, streamsTimed);
  }
  for (let round = 1; round <= rounds; round += 1) {
    process.stderr.write(`round ${round} of ${rounds}\n`);
    for (const server of servers) await measureRound(server, client, results);
  }
  console.log(`${describeMachine(folder, rounds)}\n\n${toTable(results)}`);
} finally {
  client?.stop();
  await Promise.all(servers.map((server) => server.stop()));
  rmSync(folder, { recursive: true, force: true });
}

async function measureRound(
  server: RunningServer,
  delays: DelayClient,
  results: ReadonlyMap<string, Result>,
): Promise<void> {
  const result = results.get(server.name);
  const before = cpuTimes(server.pid);
  await measure(server, delays, streamsTimed);
  const after = cpuTimes(server.pid);
  const chunks = streamsTimed * delaySchedule.chunks;
  result?.mainMicros.push((after.mainMicros - before.mainMicros) / chunks);
  result?.otherMicros.push((after.otherMicros - before.otherMicros) / chunks);
  result?.held.push(await findHeld(server, delays));
}

/** The most streams that keep to their schedule, between two steps by the straight line. */
async function findHeld(server: RunningServer, delays: DelayClient): Promise<number> {
  let last = { streams: 0, percent: 0 };
  for (const streams of steps) {
    const percent = await measure(server, delays, streams);
    if (percent > delayPercentMax) {
      const share = (delayPercentMax - last.percent) / (percent - last.percent);
      return Math.round(last.streams + share * (streams - last.streams));
    }
    last = { streams, percent };
  }
  return last.streams;
}

async function measure(
  server: RunningServer,
  delays: DelayClient,
  streams: number,
): Promise<number> {
  const { delay } = await createRequests(server);
  const requestBase64 = delay.toString("base64");
  const task = { port: server.port, requestBase64, streams, connections, ...delaySchedule };
  return (await delays.measure(task)).delayPercent;
}

function toTable(results: ReadonlyMap<string, Result>): string {
  const held = (name: string) => median(results.get(name)?.held ?? []);
  const memory = held(forgetful.name);
  const rows = [...results].map(([name, { mainMicros, otherMicros }]) => {
    const micros = [mainMicros, otherMicros].map((values) => median(values).toFixed(0));
    return [name, held(name), (held(name) / memory).toFixed(2), ...micros];
  });
  const head = [
    "log",
    `streams held, at most ${delayPercentMax} % late`,
    "× memory",
    "main thread, µs a chunk",
    "other threads, µs a chunk",
  ];
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
