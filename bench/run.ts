// `npm run bench`: measures chatwire beside other servers, all in one run, and prints a Markdown table.
// bench/README.md says what is measured. It ends by itself in less than two minutes.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type DelayClient, startDelayClient } from "./delay.ts";
import { h2loadHint, hasH2load } from "./h2load.ts";
import { describeMachine } from "./machine.ts";
import { prepareSubject, type Subject } from "./measure.ts";
import { emptyResults, type Results, toTable } from "./report.ts";
import { type RunningServer, servers, startServer } from "./servers.ts";

/** After this everything is cut off, and the run has failed. */
const runTimeoutMs = 115_000;
/** No round is begun that would, if it takes as long as the one before, end after this. */
const roundsTimeoutMs = 105_000;

const { values: flags } = parseArgs({ options: { rounds: { type: "string", default: "3" } } });
const rounds = Number(flags.rounds);
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 4) {
  throw new Error("--rounds is a whole number from 1 to 4");
}

const signal = AbortSignal.timeout(runTimeoutMs);
const parent = fileURLToPath(new URL("../.tmp", import.meta.url));
mkdirSync(parent, { recursive: true });
// Not the system's temporary folder: that may be memory, where being durable costs nothing.
const folder = mkdtempSync(join(parent, "bench-"));
const running: RunningServer[] = [];
let delayClient: DelayClient | undefined;
try {
  const load = await hasH2load();
  if (!load) console.log(`${h2loadHint}\n`);
  const subjects: Subject[] = [];
  for (const [index, spec] of servers.entries()) {
    const home = join(folder, String(index));
    const server = await startServer(spec, home, signal);
    running.push(server);
    subjects.push(await prepareSubject(server, home, { load, signal }));
  }
  delayClient = startDelayClient(signal);
  // Its code is compiled by the time that it counts.
  for (const subject of subjects.slice(-1)) await subject.delay(delayClient);

  const results = new Map(subjects.map(({ name }) => [name, emptyResults()]));
  const done = await measureRounds(subjects, delayClient, results, load);
  console.log(`${describeMachine(folder, done)}\n\n${toTable(results)}`);
} catch (error) {
  console.error(signal.aborted ? `not done after ${runTimeoutMs / 1000} s` : error);
  process.exitCode = 1;
} finally {
  delayClient?.stop();
  await Promise.all(running.map((server) => server.stop()));
  rmSync(folder, { recursive: true, force: true });
}

/** Resolves with how many rounds there was time for. */
async function measureRounds(
  subjects: readonly Subject[],
  client: DelayClient,
  results: ReadonlyMap<string, Results>,
  load: boolean,
): Promise<number> {
  for (let round = 1; round <= rounds; round += 1) {
    process.stderr.write(`round ${round} of ${rounds}\n`);
    const startMs = performance.now();
    await measureRound(subjects, client, results, load);
    const endMs = performance.now();
    // The clock of `performance` starts with the process.
    if (endMs + (endMs - startMs) > roundsTimeoutMs) return round;
  }
  return rounds;
}

/** Each measurement once for every server, so that what disturbs the machine meets all of them. */
async function measureRound(
  subjects: readonly Subject[],
  client: DelayClient,
  results: ReadonlyMap<string, Results>,
  load: boolean,
): Promise<void> {
  for (const subject of load ? subjects : []) {
    results.get(subject.name)?.unaryPerSecond.push(await subject.unaryPerSecond());
  }
  for (const subject of load ? subjects : []) {
    results.get(subject.name)?.streamsPerSecond.push(await subject.streamsPerSecond());
  }
  for (const subject of subjects) {
    results.get(subject.name)?.delays.push(await subject.delay(client));
  }
}
