import type { TestContext } from "node:test";
import { connectRawHttp2, frame, frameTypes, type RawHttp2Client } from "./http2-frames.ts";

/** What a connection that is attacked ended with; codes of HTTP/2 (RFC 9113 section 7). */
export type AttackOutcome = {
  /** The server has closed the connection. */
  closed: boolean;
  /** Of its last GOAWAY; undefined when none came, or a reset overtook it. */
  goaway: number | undefined;
  /** Of each RST_STREAM. */
  resets: number[];
};

/** Answers the last thing that an attack sends, so that all before it has been looked at. */
const lastPing = Buffer.from("all done");

/**
 * Opens a connection, writes `bytes` to it `rounds` times as fast as the server takes them, and resolves when the
 * server has either looked at all of it or closed the connection, which is then gone.
 */
export async function attackHttp2(
  t: TestContext,
  port: number,
  bytes: (round: number) => Buffer,
  rounds = 1,
): Promise<AttackOutcome> {
  const raw = await connectRawHttp2(t, port, { answerPings: false });
  const { socket } = raw;
  const gone = () => socket.destroyed || socket.closed || socket.readableEnded;
  for (let round = 0; round < rounds && !gone(); round += 1) {
    if (!socket.write(bytes(round))) await drained(raw);
    forgetAnswers(raw);
  }
  if (!gone()) raw.write(frame(frameTypes.ping, 0, 0, lastPing));
  const answered = raw.receive(({ type, payload }) => {
    return type === frameTypes.ping && payload.equals(lastPing);
  });
  const closed = await answered.then(
    () => false,
    () => true,
  );
  socket.destroy();
  await raw.closed;
  const codes = (wanted: number, offset: number): number[] =>
    raw.frames
      .filter(({ type }) => type === wanted)
      .map(({ payload }) => payload.readUInt32BE(offset));
  return {
    closed,
    goaway: codes(frameTypes.goaway, 4).at(-1),
    resets: codes(frameTypes.rstStream, 0),
  };
}

function drained({ socket, closed }: RawHttp2Client): Promise<void> {
  return Promise.race([new Promise<void>((resolve) => socket.once("drain", resolve)), closed]);
}

/** Thousands of acknowledgements are of no interest. */
function forgetAnswers({ frames }: RawHttp2Client): void {
  const told = frames.filter(({ type }) => type === frameTypes.goaway);
  if (frames.length > 1_000) frames.splice(0, frames.length, ...told);
}
