import { once } from "node:events";
import net, { type Socket } from "node:net";
import type { TestContext } from "node:test";

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export type Frame = { type: number; flags: number; streamId: number; payload: Buffer };

export const http2Preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Encodes one HTTP/2 frame (RFC 9113 section 4.1). */
export function frame(
  type: number,
  flags = 0,
  streamId = 0,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** HEADERS of `method` to `/<letter>` at authority `localhost`, without Huffman coding. */
export function requestHeaders(
  streamId: number,
  { method = "GET", path = "/", endStream = true, contentType = "" } = {},
): Buffer {
  const literal = (nameIndex: number, value: string): Buffer =>
    Buffer.concat([Buffer.from([nameIndex, value.length]), Buffer.from(value, "latin1")]);
  const block = Buffer.concat([
    literal(0x02, method),
    Buffer.from([0x86]),
    literal(0x04, path),
    literal(0x01, "localhost"),
    // Entry 31 of the static table, content-type; 0x0f and the rest of the index.
    ...(contentType === "" ? [] : [Buffer.from([0x0f]), literal(0x10, contentType)]),
  ]);
  return frame(frameTypes.headers, endStream ? 0x5 : 0x4, streamId, block);
}

export type RawHttp2Client = {
  socket: Socket;
  /** Every frame received so far. */
  frames: Frame[];
  write(...bytes: Buffer[]): void;
  /** Resolves with the first frame, past or to come, that fits; rejects when the connection ends first. */
  receive(fits: (frame: Frame) => boolean): Promise<Frame>;
  /** Resolves when the connection is gone. */
  closed: Promise<void>;
};

/** An HTTP/2 client that sends exactly what a test writes. It answers PINGs only when asked to. */
export async function connectRawHttp2(
  t: TestContext,
  port: number,
  { answerPings = true, settings = Buffer.alloc(0) } = {},
): Promise<RawHttp2Client> {
  const socket = net.connect({ host: "127.0.0.1", port });
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  const frames: Frame[] = [];
  const watchers = new Set<() => void>();
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3);
      const [type = 0, flags = 0] = rest.subarray(3, 5);
      const received = {
        type,
        flags,
        streamId: rest.readUInt32BE(5),
        payload: rest.subarray(9, end),
      };
      frames.push(received);
      rest = rest.subarray(end);
      if (type === frameTypes.ping && (flags & 1) === 0 && answerPings) {
        socket.write(frame(frameTypes.ping, 1, 0, received.payload));
      }
    }
    for (const look of watchers) look();
  });
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      resolve();
      for (const look of watchers) look();
    });
  });
  await once(socket, "connect");
  socket.write(Buffer.concat([http2Preface, frame(frameTypes.settings, 0, 0, settings)]));
  return {
    socket,
    frames,
    closed,
    write: (...bytes) => void socket.write(Buffer.concat(bytes)),
    receive: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = frames.find(fits);
          if (found === undefined && !socket.closed) return;
          watchers.delete(look);
          if (found === undefined) reject(new Error("the connection ended before the frame came"));
          else resolve(found);
        };
        watchers.add(look);
        look();
      }),
  };
}
