// Loaded into a server before its own code (`--import`): writes, when the server ends, what processor time each
// message to its database's threads has taken. That says what an append has to wait for whatever else the
// machine was doing.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMainThread, type MessagePort, parentPort, threadId } from "node:worker_threads";
import { percentile } from "./statistics.ts";

/** Names the folder that gets a file from each thread. */
const folderVariable = "BENCH_DATABASE_TIMES";

type Times = Record<string, number[]>;

/** The environment of a server that is to be measured so; `folder` is made. */
export function measuredEnv(folder: string): Record<string, string> {
  mkdirSync(folder, { recursive: true });
  return { NODE_OPTIONS: `--import=${import.meta.url}`, [folderVariable]: folder };
}

/** Rows of a table: what was done, how often, and how long it took, milliseconds. */
export function readTimes(folder: string): string[][] {
  const all = readdirSync(folder).flatMap((file) => {
    const times: Times = JSON.parse(readFileSync(join(folder, file), "utf8"));
    return Object.entries(times);
  });
  return all
    .map(([name, times]) => {
      const at = [50, 99, 100].map((percent) => percentile(times, percent).toFixed(1));
      return [name, String(times.length), ...at];
    })
    .toSorted(([one = ""], [other = ""]) => one.localeCompare(other));
}

/** Measures what the thread does with each message that it gets. */
function measure(port: MessagePort, folder: string): void {
  const times: Times = {};
  const on = port.on.bind(port) as (
    event: string,
    listener: (message: unknown) => void,
  ) => MessagePort;
  const measured = (event: string, listener: (message: unknown) => void) => {
    if (event !== "message") return on(event, listener);
    return on(event, (message) => {
      const before = process.threadCpuUsage();
      listener(message);
      const { user, system } = process.threadCpuUsage(before);
      const name = nameOf(message as ThreadMessage);
      times[name] ??= [];
      times[name].push((user + system) / 1_000);
    });
  };
  Object.assign(port, { on: measured });
  process.once("exit", () => {
    writeFileSync(join(folder, `${threadId}.json`), JSON.stringify(times));
  });
}

type ThreadMessage = {
  type: string;
  operation?: { name: string };
  operations?: readonly { name: string }[];
};

function nameOf({ type, operation, operations }: ThreadMessage): string {
  if (operation !== undefined) return `beside the writes: ${operation.name}`;
  if (operations === undefined) return `beside the writes: ${type}`;
  const names = new Set(operations.map(({ name }) => name));
  const [only = ""] = names;
  return `writing: ${names.size === 1 ? only : "several operations together"}`;
}

const folder = process.env[folderVariable];
if (!isMainThread && parentPort !== null && folder !== undefined) measure(parentPort, folder);
