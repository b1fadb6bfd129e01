// The client of the delay measurement, a process of its own: it opens all streams at once, notes when each
// message arrives, and answers with what that comes to. Started by delay.ts with an IPC channel.
import { type ClientHttp2Session, connect } from "node:http2";
import type { DelayResult, DelayTask } from "./delay.ts";
import { callGrpc } from "./grpc-client.ts";
import { mean, percentile } from "./statistics.ts";

/** Before the first chunk: STATUS and RESPONSE_START. */
const messagesBefore = 2;
/** Beside the chunks: those two and the end. */
const messagesBeside = 3;

type Arrivals = { totalMs: number; latenessMs: number[] };

async function measure(task: DelayTask): Promise<DelayResult> {
  const sessions = Array.from({ length: task.connections }, () =>
    connect(`http://127.0.0.1:${task.port}`),
  );
  try {
    await Promise.all(sessions.map(connected));
    const streams = Array.from({ length: task.streams }, (_, index) =>
      readStream(sessions[index % sessions.length] as ClientHttp2Session, task),
    );
    const results = await Promise.all(streams);
    const scheduleMs = task.chunks * task.intervalMs;
    const latenessMs = results.flatMap((one) => one.latenessMs);
    return {
      delayPercent: (mean(results.map(({ totalMs }) => totalMs)) / scheduleMs - 1) * 100,
      latenessMsP50: percentile(latenessMs, 50),
      latenessMsP99: percentile(latenessMs, 99),
    };
  } finally {
    for (const session of sessions) session.destroy();
  }
}

function connected(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.once("remoteSettings", () => resolve());
    session.on("error", reject);
  });
}

async function readStream(session: ClientHttp2Session, task: DelayTask): Promise<Arrivals> {
  const request = Buffer.from(task.requestBase64, "base64");
  const latenessMs: number[] = [];
  const startMs = performance.now();
  let seen = 0;
  const { messages } = await callGrpc(session, "StreamChat", request, (count) => {
    const elapsedMs = performance.now() - startMs;
    for (let arrived = 0; arrived < count; arrived += 1) {
      seen += 1;
      const number = seen - messagesBefore;
      if (number > 0 && number <= task.chunks)
        latenessMs.push(elapsedMs - number * task.intervalMs);
    }
  });
  if (messages !== task.chunks + messagesBeside)
    throw new Error(`a stream had ${messages} messages`);
  return { totalMs: performance.now() - startMs, latenessMs };
}

process.on("message", (task: DelayTask) => {
  measure(task).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
