// `node bench/slow-readers.ts`: what readers cost that stop reading for the length of a long reply, in memory and
// to everybody else's streams.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import {
  ChatRequestSchema,
  CreateSessionRequestSchema,
  CreateSessionResponseSchema,
  WatchSessionRequestSchema,
} from "../src/gen/chat/chat_pb.ts";
import { callGrpc, withSession } from "./grpc-client.ts";
import { frame, framePrefixBytes } from "./grpc-frame.ts";
import { type Lateness, liveStreams, readLiveStreams } from "./live-streams.ts";
import { describeMachine } from "./machine.ts";
import { chatwire, startServer } from "./servers.ts";
import { median } from "./statistics.ts";

const { values: flags } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const rounds = Number(flags.rounds);

/** As long as the live streams take, and some 100 bytes a chunk: three times what a stream's window holds. */
const longReply = { chunks: 2_000, intervalMs: 2 };
/** Who watches the session of the long reply. */
const scenes = {
  nobody: { watchers: 0, isRead: false },
  "10 watchers that read": { watchers: 10, isRead: true },
  "10 watchers that stop reading": { watchers: 10, isRead: false },
} as const;
const runTimeoutMs = 300_000;

type Measured = Lateness & { memoryMiB: number; untilRestMs: number };

const signal = AbortSignal.timeout(runTimeoutMs);
const parent = fileURLToPath(new URL("../.tmp", import.meta.url));
mkdirSync(parent, { recursive: true });
const folder = mkdtempSync(join(parent, "slow-readers-"));
try {
  const server = await startServer(chatwire, folder, signal);
  try {
    const results = new Map<string, Measured[]>();
    await measure(server, scenes.nobody);
    for (let round = 1; round <= rounds; round += 1) {
      process.stderr.write(`round ${round} of ${rounds}\n`);
      for (const [name, scene] of Object.entries(scenes)) {
        results.set(name, [...(results.get(name) ?? []), await measure(server, scene)]);
      }
    }
    console.log(`${describeMachine(folder, rounds)} · ${liveStreams.streams} streams\n`);
    console.log(table([...results].map(([name, measured]) => row(name, measured))));
  } finally {
    await server.stop();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Has a long reply written, which its session's watchers read or not, and reads live streams beside it. */
async function measure(
  { port, pid }: { port: number; pid: number },
  scene: { watchers: number; isRead: boolean },
): Promise<Measured> {
  return withSession(port, async (session) => {
    const sessionId = await createSession(session);
    const { chunks, intervalMs } = longReply;
    const modelId = `scripted:${chunks}x${intervalMs}`;
    const request = frame(ChatRequestSchema, { sessionId, message: "long", modelId });
    const begun = Promise.withResolvers<void>();
    const reply = callGrpc(session, "StreamChat", request, () => begun.resolve());
    // Before that the session is idle, and a watch until it is idle has nothing to wait for.
    await Promise.race([begun.promise, reply]);
    const watchers = Array.from({ length: scene.watchers }, () => watchUnread(port, sessionId));
    try {
      await Promise.all(watchers.map(({ opened }) => opened));
      const read = scene.isRead ? watchers.map(({ readRest }) => readRest()) : [];
      const lateness = await readLiveStreams(port);
      await reply;
      const memoryMiB = residentMiB(pid);
      const startedMs = performance.now();
      await Promise.all(scene.isRead ? read : watchers.map(({ readRest }) => readRest()));
      return { ...lateness, memoryMiB, untilRestMs: performance.now() - startedMs };
    } finally {
      for (const { close } of watchers) close();
    }
  });
}

async function createSession(session: ClientHttp2Session): Promise<string> {
  const { bytes } = await callGrpc(session, "CreateSession", frame(CreateSessionRequestSchema, {}));
  return fromBinary(CreateSessionResponseSchema, bytes.subarray(framePrefixBytes)).sessionId;
}

/** A watch on a connection of its own, of which nothing is read before `readRest`. */
function watchUnread(port: number, sessionId: string) {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": "/chat.ChatService/WatchSession",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.end(frame(WatchSessionRequestSchema, { sessionId, untilIdle: true, afterSequence: 0n }));
  return {
    opened: new Promise((resolve) => stream.once("response", resolve)),
    readRest: () => readToEnd(stream),
    close: () => session.destroy(),
  };
}

function readToEnd(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once("error", reject);
    stream.once("close", resolve);
    stream.resume();
  });
}

/** What the process holds of memory (proc_pid_status(5)); NaN on other systems. */
function residentMiB(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024;
  } catch {
    return Number.NaN;
  }
}

function row(name: string, rounds: readonly Measured[]): string[] {
  const of = (pick: (one: Measured) => number) => median(rounds.map(pick));
  const late = [of(({ p50 }) => p50), of(({ p99 }) => p99), of(({ max }) => max)];
  const memory = of(({ memoryMiB }) => memoryMiB).toFixed(0);
  const rest = of(({ untilRestMs }) => untilRestMs).toFixed(0);
  return [name, ...late.map((ms) => ms.toFixed(1)), memory, rest];
}

function table(rows: readonly (readonly string[])[]): string {
  const head = ["beside the streams", "chunks late, p50 ms", "p99 ms", "max ms"];
  head.push("memory of the process, MiB", "the watchers have the rest after, ms");
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
