// `node bench/large-store.ts`: with 100,000 messages stored, how late live chunks come while searches, lists,
// large writes, pruning and checkpoints go on, and without them just before.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import type { ClientHttp2Session } from "node:http2";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  ChatRequestSchema,
  ListMessagesRequestSchema,
  ListSessionsRequestSchema,
} from "../src/gen/chat/chat_pb.ts";
import { measuredEnv, readTimes } from "./database-times.ts";
import { type Filled, fillStore } from "./fill-store.ts";
import { callGrpc, withSession } from "./grpc-client.ts";
import { frame } from "./grpc-frame.ts";
import { describeMachine } from "./machine.ts";
import { chatwire, startServer } from "./servers.ts";
import { median, percentile } from "./statistics.ts";

const { values: flags } = parseArgs({
  options: {
    messages: { type: "string", default: "100000" },
    rounds: { type: "string", default: "3" },
  },
});
const messages = Number(flags.messages);
const rounds = Number(flags.rounds);

const streams = 25;
const chunks = 200;
const intervalMs = 20;
/** STATUS and RESPONSE_START. */
const messagesBefore = 2;
const runTimeoutMs = 600_000;

/** What goes on beside the streams: each works without a pause, one call after another. */
type Work = (session: ClientHttp2Session, filled: Filled, count: number) => Promise<unknown>;

const search: Work = (session, { words }, count) =>
  callGrpc(
    session,
    "ListSessions",
    frame(ListSessionsRequestSchema, {
      query: beginning(words[(count * 7) % words.length] ?? "", count),
      pageSize: 50,
    }),
  );
/** Every other time the whole word, else its first letters: the fewer they are the more words have them. */
const beginning = (word: string, count: number) =>
  count % 2 === 0 ? word : word.slice(0, 1 + (count % 12) / 2);
const list: Work = (session, { sessionIds }, count) =>
  count % 2 === 0
    ? callGrpc(session, "ListSessions", frame(ListSessionsRequestSchema, { pageSize: 200 }))
    : callGrpc(
        session,
        "ListMessages",
        frame(ListMessagesRequestSchema, {
          sessionId: sessionIds[count % sessionIds.length] ?? "",
          pageSize: 200,
        }),
      );
/** Fills the WAL, so that it is checkpointed, and the log, so that it is pruned. Each opens a session. */
const write: Work = (session, { text }) => send(session, { message: text.slice(0, 50_000) });

/** A turn in a session that has a long history, which is read and handed to the model. */
const converse: Work = (session, { sessionIds, text }, count) =>
  send(session, {
    sessionId: sessionIds[count % sessionIds.length] ?? "",
    message: text.slice(0, 100),
  });

function send(session: ClientHttp2Session, request: { sessionId?: string; message: string }) {
  const asked = { ...request, modelId: "scripted:5x0" };
  return callGrpc(session, "SendMessage", frame(ChatRequestSchema, asked));
}

/** Each is measured beside a control, in which the streams are alone. */
const scenes: ReadonlyMap<string, readonly Work[]> = new Map([
  ["searches", [search]],
  ["lists", [list]],
  ["large writes, checkpoints, pruning", [write]],
  ["all of it", [search, list, write]],
  ["turns with long histories", [converse]],
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

type Lateness = { p50: number; p99: number; max: number; calls: number };

type Pair = { control: Lateness; scene: Lateness };

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
  const head = [
    "beside the streams",
    "calls",
    "chunks late, p50 ms",
    "p99 ms",
    "max ms",
    "worst ms",
  ];
  const rows = [...results].flatMap(([name, pairs]) => [
    describe(
      "nothing else",
      pairs.map(({ control }) => control),
    ),
    describe(
      name,
      pairs.map(({ scene }) => scene),
    ),
  ]);
  const title = `${messages} messages, ${streams} streams at ${1_000 / intervalMs} chunks/s`;
  console.log(`${describeMachine(folder, rounds)} · ${title}\n`);
  console.log(table(head, rows));
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** A row of the table: medians of the rounds, and at its end the worst chunk of all rounds. */
function describe(name: string, rounds: readonly Lateness[]): string[] {
  const of = (pick: (one: Lateness) => number) => median(rounds.map(pick));
  const worst = Math.max(...rounds.map(({ max }) => max));
  const late = [of(({ p50 }) => p50), of(({ p99 }) => p99), of(({ max }) => max), worst];
  return [name, of(({ calls }) => calls).toFixed(0), ...late.map((ms) => ms.toFixed(1))];
}

/** Reads live streams while the works go on; each has a connection of its own. */
async function measureScene(
  port: number,
  filled: Filled,
  works: readonly Work[],
): Promise<Lateness> {
  const over = new AbortController();
  let calls = 0;
  const working = Promise.all(
    works.map((work) =>
      withSession(port, async (session) => {
        while (!over.signal.aborted) {
          await work(session, filled, calls);
          calls += 1;
        }
      }),
    ),
  );
  const lateness = await withSession(port, async (session) => {
    const all = await Promise.all(Array.from({ length: streams }, () => readStream(session)));
    return all.flat();
  });
  over.abort();
  await working;
  const at = (percent: number) => percentile(lateness, percent);
  return { p50: at(50), p99: at(99), max: at(100), calls };
}

/** How much later each chunk came than its stream's most punctual one says that it should. */
async function readStream(session: ClientHttp2Session): Promise<number[]> {
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
