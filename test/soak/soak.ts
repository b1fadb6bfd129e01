import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import timers from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createRandom, type Random } from "../crash/random.ts";
import { connectLane, type LaneClient, plainLanes } from "../support/lanes.ts";
import { differences, type Holdings } from "./holdings.ts";
import { createPerson } from "./person.ts";

export type SoakOptions = {
  /** Where the database is; empty, and removed by the caller. */
  folder: string;
  sessions: number;
  durationMs: number;
  seed: number;
  onNews?: (text: string) => void;
};

const script = fileURLToPath(new URL("./server.ts", import.meta.url));

/** How long everybody does everything before the base line is taken: code is compiled and pools are filled. */
const warmUpShare = 0.25;
/** How many people share a client; an HTTP/2 connection takes 250 calls. */
const peoplePerClient = 20;
/** How long the server may take to let go of everything: what waits in the background is done bit by bit. */
const restMsMax = 60_000;
/** What the heap may have grown by: what is compiled late, and then bytes for each thing done. */
const heapGrowthBytesMax = { once: 6 * 2 ** 20, each: 100 };

/** Uses a server for a time in every way, and rejects with what it still holds when nobody is left. */
export async function soak(options: SoakOptions): Promise<void> {
  const { folder, durationMs, onNews } = options;
  const server = fork(script, [join(folder, "chatwire.db")], { execArgv: ["--expose-gc"] });
  const failed = new AbortController();
  server.once("exit", () => failed.abort(new Error("the server is gone")));
  try {
    const [{ port }] = (await once(server, "message")) as [{ port: number }];
    const url = `http://127.0.0.1:${port}`;
    await live(url, options, durationMs * warmUpShare, failed.signal);
    const base = await rest(server, undefined, failed.signal);
    onNews?.(`base line: ${describe(base)}`);
    const done = await live(url, options, durationMs * (1 - warmUpShare), failed.signal);
    const things = [...done.values()].reduce((sum, count) => sum + count, 0);
    onNews?.([...done].map(([what, count]) => `${what} ${count}`).join(", "));
    const end = await rest(server, base, failed.signal);
    onNews?.(`at the end: ${describe(end)}`);
    const growth = end.heapBytes - base.heapBytes;
    const growthMax = heapGrowthBytesMax.once + things * heapGrowthBytesMax.each;
    if (growth > growthMax)
      throw new Error(`the heap has grown by ${growth} bytes in ${things} deeds`);
  } finally {
    await stop(server);
  }
}

/** Lets everybody do one thing after another until the time is up; resolves with how often what was done. */
async function live(
  url: string,
  { sessions, seed }: SoakOptions,
  durationMs: number,
  failed: AbortSignal,
): Promise<Map<string, number>> {
  const random = createRandom(seed);
  const over = AbortSignal.any([AbortSignal.timeout(durationMs), failed]);
  const done = new Map<string, number>();
  const groups = Math.ceil(sessions / peoplePerClient);
  const clients = Array.from({ length: groups }, (_, index) => createGroupClient(url, index));
  const people = Array.from({ length: sessions }, (_, index) =>
    createPerson({
      random: createRandom(random.between(0, 2 ** 31)),
      chat: () => (clients[index % groups] ?? fail()).current().chat,
      onDone: (what) => done.set(what, (done.get(what) ?? 0) + 1),
    }),
  );
  const cutting = cutNowAndThen(clients, random, over);
  await Promise.all(
    people.map(async ({ act }) => {
      while (!over.aborted) await act();
    }),
  );
  await cutting;
  failed.throwIfAborted();
  await removeAll((clients[0] ?? fail()).current());
  for (const client of clients) client.current().cut();
  return done;
}

/** Deletes every session, those too whose owner lost the answer that told of them. */
async function removeAll({ chat }: LaneClient): Promise<void> {
  for (;;) {
    const { sessions } = await chat.listSessions({ pageSize: 100 });
    if (sessions.length === 0) return;
    await Promise.all(sessions.map(({ sessionId }) => chat.deleteSession({ sessionId })));
  }
}

/** A client of one lane whose connection can be cut; there is another then. */
function createGroupClient(url: string, index: number) {
  const lane = plainLanes[index % plainLanes.length] ?? fail();
  const server = { url, tls: false, defer: () => undefined };
  let client: LaneClient = connectLane(server, lane);
  return {
    current: () => client,
    cut() {
      client.cut();
      client = connectLane(server, lane);
    },
  };
}

async function cutNowAndThen(
  clients: readonly { cut(): void }[],
  random: Random,
  over: AbortSignal,
): Promise<void> {
  while (!over.aborted) {
    await timers.setTimeout(random.between(50, 500), undefined, { signal: over }).catch(() => 0);
    random.pick(clients).cut();
  }
}

/** What the server holds once it has let go of everything; without a base line, once nothing changes. */
async function rest(
  server: ChildProcess,
  base: Holdings | undefined,
  failed: AbortSignal,
): Promise<Holdings> {
  const endMs = performance.now() + restMsMax;
  let before = await measure(server, failed);
  for (;;) {
    await timers.setTimeout(250, undefined, { signal: failed });
    const now = await measure(server, failed);
    const left = differences(base ?? { ...before, counts: { ...before.counts, ...idle } }, now);
    if (left.length === 0) return now;
    if (performance.now() > endMs) throw new Error(`the server still holds: ${left.join("; ")}`);
    before = now;
  }
}

/** What an idle server holds nothing of, base line or not. */
const idle = {
  liveSessions: 0,
  runningTurns: 0,
  warnings: 0,
  "rows of sessions": 0,
  "rows of turns": 0,
  "rows of messages": 0,
  "rows of event_ticks": 0,
};

async function measure(server: ChildProcess, signal: AbortSignal): Promise<Holdings> {
  signal.throwIfAborted();
  server.send("measure");
  const [holdings] = (await once(server, "message", { signal })) as [Holdings];
  return holdings;
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, "exit");
  server.send("close");
  const timer = setTimeout(() => server.kill("SIGKILL"), restMsMax);
  await exited;
  clearTimeout(timer);
}

function describe({ heapBytes, counts }: Holdings): string {
  const held = Object.entries(counts).filter(([, count]) => count > 0);
  const heap = `${(heapBytes / 2 ** 20).toFixed(1)} MiB of heap`;
  return [heap, ...held.map(([name, count]) => `${name} ${count}`)].join(", ");
}

function fail(): never {
  throw new Error("nobody is there");
}
