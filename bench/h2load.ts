import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export const h2loadHint =
  "h2load is not installed, so calls/s and streams/s are not measured. It comes with nghttp2: " +
  "apt install nghttp2-client, dnf install nghttp2, brew install nghttp2.";

export async function hasH2load(): Promise<boolean> {
  try {
    await run("h2load", ["--version"]);
    return true;
  } catch {
    return false;
  }
}

export type Load = {
  port: number;
  rpc: string;
  /** A file with the framed request. */
  requestFile: string;
  calls: number;
  connections: number;
  /** Calls in flight on each connection. */
  streamsPerConnection: number;
};

export type LoadResult = {
  callsPerSecond: number;
  /** Of DATA frames, mean per call. */
  bytesPerCall: number;
};

/** Runs h2load once. Rejects unless every call got a 200; h2load reads no trailers, see `bytesPerCall`. */
export async function runH2load(load: Load, signal: AbortSignal): Promise<LoadResult> {
  const { stdout } = await run(
    "h2load",
    [
      `--requests=${load.calls}`,
      `--clients=${load.connections}`,
      `--max-concurrent-streams=${load.streamsPerConnection}`,
      `--data=${load.requestFile}`,
      "--header=content-type: application/grpc",
      "--header=te: trailers",
      `http://127.0.0.1:${load.port}/chat.ChatService/${load.rpc}`,
    ],
    { signal },
  );
  return parseH2load(stdout, load.calls);
}

/** Reads h2load's summary. */
export function parseH2load(text: string, calls: number): LoadResult {
  const read = (pattern: RegExp) => Number(pattern.exec(text)?.[1]);
  const succeeded = read(/, (\d+) succeeded/);
  const accepted = read(/status codes: (\d+) 2xx/);
  if (succeeded !== calls || accepted !== calls) {
    throw new Error(`of ${calls} calls ${succeeded} succeeded:\n${text}`);
  }
  return {
    callsPerSecond: read(/finished in [^,]+, ([\d.]+) req\/s/),
    bytesPerCall: read(/\((\d+)\) data/) / calls,
  };
}
