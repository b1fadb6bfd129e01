// `node bench/large-store.ts`: with 100,000 messages stored, how late live chunks come while searches, lists,
// large writes, pruning and checkpoints go on, and without them just before.
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { measuredEnv, readTimes } from "./database-times.ts";
import { type Filled, fillStore } from "./fill-store.ts";
import { type Lateness, liveStreams, readLiveStreams } from "./live-streams.ts";
import { describeMachine } from "./machine.ts";
import { chatwire, startServer } from "./servers.ts";
import { median } from "./statistics.ts";
import type { WorkName, WorkOrder } from "./work-thread.ts";

const { values: flags } = parseArgs({
  options: {
    messages: { type: "string", default: "100000" },
    rounds: { type: "string", default: "3" },
  },
});
const messages = Number(flags.messages);
const rounds = Number(flags.rounds);

const runTimeoutMs = 600_000;

/** What goes on beside the streams. Each scene is measured beside a control, in which they are alone. */
const scenes: ReadonlyMap<string, readonly WorkName[]> = new Map([
  ["searches", ["search"]],
  ["lists", ["list"]],
  ["checkpoints, pruning, indexing", ["writeNowAndThen"]],
  ["all of these", ["search", "list", "writeNowAndThen"]],
  ["large writes without a pause", ["write"]],
  ["turns with long histories", ["converse"]],
]);

const signal = AbortSignal.timeout(runTimeoutMs);
const parent = fileURLToPath(new URL("../.tmp", import.meta.url));
mkdirSync(parent, { recursive: true });
const folder = mkdtempSync(join(parent, "large-store-"));
try {
  const database = join(folder, "chatwire.db");
  process.stderr.write(`storing ${messages} messages\n`);
  const filled = await fillStore(database, messages);
  const times = join(folder, "times");
  const settings = { DATABASE_URL: `sqlite:${database}`, EVENT_RETENTION_MS: "1000" };
  const env = { ...chatwire.env, ...settings, ...measuredEnv(times) };
  const server = await startServer({ ...chatwire, env }, folder, signal);
  try {
    await measureScenes(server.port, filled);
  } finally {
    await server.stop();
  }
  const head = ["the database's threads", "times", "processor time, p50 ms", "p99 ms", "max ms"];
  console.log(`\n${table(head, readTimes(times))}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

type Measured = Lateness & { calls: number };

type Pair = { control: Measured; scene: Measured };

async function measureScenes(port: number, filled: Filled): Promise<void> {
  const results = new Map<string, Pair[]>([...scenes.keys()].map((name) => [name, []]));
  await measureScene(port, filled, []);
  for (let round = 1; round <= rounds; round += 1) {
    process.stderr.write(`round ${round} of ${rounds}\n`);
    for (const [name, works] of scenes) {
      const control = await measureScene(port, filled, []);
      const scene = await measureScene(port, filled, works);
      results.get(name)?.push({ control, scene });
    }
  }
  const head = ["beside the streams", "calls", "chunks late, p50 ms", "p99 ms", "max ms"];
  head.push("max of all rounds", "more than alone, max of all rounds");
  const rows = [...results].flatMap(([name, pairs]) => {
    const controls = pairs.map(({ control }) => control);
    const lates = pairs.map(({ scene }) => scene);
    const more = Math.max(...pairs.map(({ control, scene }) => scene.max - control.max));
    return [
      [...describe("nothing else", controls), ""],
      [...describe(name, lates), more.toFixed(1)],
    ];
  });
  const { streams, intervalMs } = liveStreams;
  const title = `${messages} messages, ${streams} streams at ${1_000 / intervalMs} chunks/s`;
  console.log(`${describeMachine(folder, rounds)} · ${title}\n`);
  console.log(table(head, rows));
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** A row of the table: medians of the rounds, and at its end the worst chunk of all rounds. */
function describe(name: string, rounds: readonly Measured[]): string[] {
  const of = (pick: (one: Measured) => number) => median(rounds.map(pick));
  const worst = Math.max(...rounds.map(({ max }) => max));
  const late = [of(({ p50 }) => p50), of(({ p99 }) => p99), of(({ max }) => max), worst];
  return [name, of(({ calls }) => calls).toFixed(0), ...late.map((ms) => ms.toFixed(1))];
}

/** Reads live streams while the works go on beside them. */
async function measureScene(
  port: number,
  filled: Filled,
  names: readonly WorkName[],
): Promise<Measured> {
  const stopWorks = startWorks({ port, filled, names });
  const lateness = await readLiveStreams(port);
  return { ...lateness, calls: await stopWorks() };
}

/** Resolves with the number of calls that were made. */
function startWorks(order: WorkOrder): () => Promise<number> {
  if (order.names.length === 0) return async () => 0;
  const thread = new Worker(new URL("./work-thread.ts", import.meta.url), { workerData: order });
  const answer = once(thread, "message");
  // What it dies of is told when it is asked to stop.
  answer.catch(() => undefined);
  return async () => {
    thread.postMessage("stop");
    const [calls]: number[] = await answer;
    return calls ?? 0;
  };
}
