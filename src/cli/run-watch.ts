import { type ExitCode, exitCode } from "./exit-code.ts";
import type { Io } from "./io.ts";
import { outcomeOfOutput } from "./output-outcome.ts";
import { createScreen } from "./screen.ts";
import type { WatchOptions } from "./watch.ts";
import { type WatchWish, watchSession } from "./watch-session.ts";
import { withConnection } from "./with-connection.ts";

/** Shows a session until its end, or until the person leaves. */
export function runWatch(io: Io, sessionId: string, options: WatchOptions): Promise<ExitCode> {
  const { replay = false, after, untilIdle = replay, cadence = false, json = false } = options;
  const from: WatchWish["from"] = after ?? (replay ? 0n : "now");
  const screen = createScreen(io.stdout, io.stderr, { env: io.env, json });
  return withConnection(options, io, async (connection) => {
    const wish = { sessionId, from, untilIdle, cadence, json };
    const { end } = await watchSession(connection, screen, io.interrupts, wish);
    if (screen.gone.aborted) return outcomeOfOutput(screen);
    if (end === "deleted") await screen.note("the session was deleted");
    return end === "left" ? exitCode.cancelled : exitCode.ok;
  });
}
