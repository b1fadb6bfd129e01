// `node bench/profile.ts`: where chatwire's main thread spends its time while h2load asks for 22-message
// streams, by self time. The whole profile is kept for Chrome's DevTools.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { h2loadHint, hasH2load } from "./h2load.ts";
import { prepareSubject } from "./measure.ts";
import { chatwire, startServer } from "./servers.ts";

const runTimeoutMs = 60_000;
const runs = 4;
const shown = 15;

type CallFrame = { functionName: string; url: string; lineNumber: number };
type Profile = {
  nodes: { id: number; callFrame: CallFrame }[];
  samples: number[];
  timeDeltas: number[];
};

if (!(await hasH2load())) throw new Error(h2loadHint);
const root = fileURLToPath(new URL("..", import.meta.url));
mkdirSync(join(root, ".tmp"), { recursive: true });
const folder = mkdtempSync(join(root, ".tmp", "profile-"));
const signal = AbortSignal.timeout(runTimeoutMs);
const args = ["--cpu-prof", `--cpu-prof-dir=${folder}`, ...chatwire.args];
const server = await startServer({ ...chatwire, args }, folder, signal);
try {
  const subject = await prepareSubject(server, folder, { load: true, signal });
  for (let run = 0; run < runs; run += 1) await subject.streamsPerSecond();
} finally {
  await server.stop();
}
for (const file of readdirSync(folder).filter((name) => name.endsWith(".cpuprofile"))) {
  const profile = JSON.parse(readFileSync(join(folder, file), "utf8")) as Profile;
  const isWorker = profile.nodes.some(({ callFrame }) =>
    callFrame.url.endsWith("sqlite/worker.ts"),
  );
  console.log(`\n${isWorker ? "database thread" : "main thread"} (${join(folder, file)})`);
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  console.log(topTimes(profile, (id) => describe(frames.get(id))).join("\n"));
  console.log("by place");
  console.log(topTimes(profile, (id) => placeOf(frames.get(id))).join("\n"));
}

/** The names with the most self time, with their share of the time that was not idle. */
function topTimes({ samples, timeDeltas }: Profile, nameOf: (id: number) => string): string[] {
  const times = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const name = nameOf(id);
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  }
  times.delete("(idle)");
  const busy = [...times.values()].reduce((sum, time) => sum + time, 0);
  return [...times]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, shown)
    .map(([name, time]) => `${((time / busy) * 100).toFixed(1).padStart(5)} %  ${name}`);
}

function describe(frame: CallFrame | undefined): string {
  const name = frame?.functionName || "(anonymous)";
  return frame?.url ? `${name}  ${fileOf(frame.url)}:${frame.lineNumber + 1}` : name;
}

/** The package, the folder of ours or the part of Node that a function belongs to. */
function placeOf(frame: CallFrame | undefined): string {
  if (!frame?.url) return frame?.functionName || "(anonymous)";
  const file = fileOf(frame.url);
  const found =
    /^node_modules\/((?:@[^/]+\/)?[^/]+)|^(src\/[^/]+)|^(node:(?:internal\/)?[^/]+)/.exec(file);
  return found?.[1] ?? found?.[2] ?? found?.[3] ?? file;
}

function fileOf(url: string): string {
  return url.startsWith("file:") ? relative(root, fileURLToPath(url)) : url;
}
