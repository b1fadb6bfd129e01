import assert from "node:assert/strict";
import { constants } from "node:http2";
import { test } from "node:test";
import { startApp, sumOf } from "../support/app.ts";
import { attackBeside } from "../support/bystander.ts";
import { type AttackOutcome, attackHttp2 } from "../support/http2-attack.ts";
import { frame, frameTypes, requestHeaders } from "../support/http2-frames.ts";

const {
  NGHTTP2_PROTOCOL_ERROR: protocolError,
  NGHTTP2_INTERNAL_ERROR: internalError,
  NGHTTP2_FLOW_CONTROL_ERROR: flowControlError,
  NGHTTP2_FRAME_SIZE_ERROR: frameSizeError,
  NGHTTP2_COMPRESSION_ERROR: compressionError,
  NGHTTP2_ENHANCE_YOUR_CALM: enhanceYourCalm,
  NGHTTP2_CANCEL: cancel,
} = constants;

/** A gRPC call whose message has not come yet. */
const openRpc = {
  method: "POST",
  path: "/chat.ChatService/Health",
  contentType: "application/grpc",
  endStream: false,
};

type Attack = {
  bytes: (round: number) => Buffer;
  rounds?: number;
  /**
   * What becomes of it. "tolerated": the work is so little that it may go on; the connection may also be cut when
   * more answers than Node allows wait to leave. A code: of the GOAWAY that closes the connection.
   */
  outcome: "tolerated" | { goaway: number } | { reset: number };
};

function times(count: number, bytes: Buffer): Buffer {
  return Buffer.concat(Array<Buffer>(count).fill(bytes));
}

/** HPACK (RFC 7541): POST, http, the path /, and an authority. */
const requestStart = Buffer.from([0x83, 0x86, 0x84, 0x01, 0x01, 0x61]);
/** A header `a: a` as a literal that is never indexed. */
const smallHeader = Buffer.from([0x10, 1, 0x61, 1, 0x61]);

function headersFrame(streamId: number, ...block: Buffer[]): Buffer {
  return frame(frameTypes.headers, 0x5, streamId, Buffer.concat([requestStart, ...block]));
}

/** A request that says how long its body is, and is it not. */
function lyingLength(told: string, body: string): Buffer {
  const length = Buffer.concat([Buffer.from([0x0f, 0x0d, told.length]), Buffer.from(told)]);
  const head = frame(frameTypes.headers, 0x4, 1, Buffer.concat([requestStart, length]));
  return Buffer.concat([head, frame(frameTypes.data, 0x1, 1, Buffer.from(body))]);
}

/** Opens a call and resets it at once, `count` times, each on the next stream. */
function resets(firstId: number, count: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, index) => {
      const streamId = firstId + 2 * index;
      const open = requestHeaders(streamId, openRpc);
      const reset = frame(frameTypes.rstStream, 0, streamId, Buffer.from([0, 0, 0, cancel]));
      return Buffer.concat([open, reset]);
    }),
  );
}

const openCall = requestHeaders(1, openRpc);
const openHeaders = frame(frameTypes.headers, 0, 1, requestStart);
const floodRounds = 20;

/** The first round's bytes, then the others'. */
function after(first: Buffer, then: Buffer): (round: number) => Buffer {
  return (round) => (round === 0 ? first : then);
}

function always(bytes: Buffer): () => Buffer {
  return () => bytes;
}

const attacks: Readonly<Record<string, Attack>> = {
  "rapid reset within the limit of a connection, on one after the other": {
    bytes: always(resets(1, 900)),
    outcome: "tolerated",
  },
  "rapid reset without end on one connection": {
    bytes: (round) => resets(1 + round * 200, 100),
    rounds: 60,
    outcome: { goaway: internalError },
  },
  "PING flood": {
    bytes: always(times(900, frame(frameTypes.ping, 0, 0, Buffer.alloc(8)))),
    rounds: floodRounds,
    outcome: "tolerated",
  },
  "SETTINGS flood": {
    bytes: always(times(900, frame(frameTypes.settings))),
    rounds: floodRounds,
    outcome: "tolerated",
  },
  "SETTINGS with hundreds of entries": {
    bytes: always(frame(frameTypes.settings, 0, 0, times(100, Buffer.from([0, 1, 0, 0, 16, 0])))),
    outcome: { goaway: enhanceYourCalm },
  },
  "WINDOW_UPDATE flood": {
    bytes: always(times(3_000, frame(frameTypes.windowUpdate, 0, 0, Buffer.from([0, 0, 0, 1])))),
    rounds: floodRounds,
    outcome: "tolerated",
  },
  "WINDOW_UPDATE beyond the largest window": {
    bytes: always(
      times(2, frame(frameTypes.windowUpdate, 0, 0, Buffer.from([0x7f, 255, 255, 255]))),
    ),
    outcome: { goaway: flowControlError },
  },
  "WINDOW_UPDATE by nothing": {
    bytes: always(frame(frameTypes.windowUpdate, 0, 0, Buffer.alloc(4))),
    outcome: { goaway: protocolError },
  },
  "PRIORITY flood": {
    bytes: always(times(3_000, frame(frameTypes.priority, 0, 1, Buffer.from([0, 0, 0, 3, 1])))),
    rounds: floodRounds,
    outcome: { goaway: enhanceYourCalm },
  },
  "flood of frames of an unknown type": {
    bytes: always(times(6_000, frame(0xee))),
    rounds: floodRounds,
    outcome: { goaway: enhanceYourCalm },
  },
  "flood of empty DATA": {
    bytes: after(openCall, times(3_000, frame(frameTypes.data, 0, 1))),
    rounds: floodRounds,
    outcome: { goaway: internalError },
  },
  "CONTINUATION flood": {
    bytes: after(openHeaders, times(1_000, frame(frameTypes.continuation, 0, 1, smallHeader))),
    rounds: floodRounds,
    outcome: { goaway: internalError },
  },
  "flood of empty CONTINUATION": {
    bytes: after(openHeaders, times(3_000, frame(frameTypes.continuation, 0, 1))),
    rounds: floodRounds,
    outcome: { goaway: internalError },
  },
  "hundreds of small headers": {
    bytes: always(headersFrame(1, times(200, smallHeader))),
    outcome: { reset: enhanceYourCalm },
  },
  "a header that is longer than its frame": {
    bytes: always(
      headersFrame(1, Buffer.from([0x10, 1, 0x61, 0x7f, 0x80, 0x7c]), Buffer.alloc(16_000)),
    ),
    outcome: { goaway: compressionError },
  },
  "an HPACK bomb: one large entry of the table named thousands of times": {
    bytes: (round) =>
      round === 0
        ? headersFrame(1, Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4_000, 0x61))
        : headersFrame(1 + 2 * round, Buffer.alloc(8_000, 0xbe)),
    rounds: 50,
    outcome: { reset: enhanceYourCalm },
  },
  "a frame that says it has a megabyte": {
    bytes: () => {
      const large = frame(frameTypes.data, 0, 1);
      large.writeUIntBE(2 ** 20, 0, 3);
      return large;
    },
    outcome: { goaway: frameSizeError },
  },
  "a body shorter than its content-length": {
    bytes: always(lyingLength("10", "abc")),
    outcome: { reset: protocolError },
  },
  "a body longer than its content-length": {
    bytes: always(lyingLength("2", "abc")),
    outcome: { goaway: internalError },
  },
};

function assertOutcome({ closed, goaway, resets: seen }: AttackOutcome, { outcome }: Attack): void {
  if (outcome === "tolerated") return;
  if ("reset" in outcome) {
    assert.ok(seen.length > 0, "no stream was reset");
    assert.deepEqual(new Set(seen), new Set([outcome.reset]));
    return;
  }
  assert.ok(closed, "the connection is closed");
  // A reset of the connection may overtake what was said before it.
  assert.equal(goaway ?? outcome.goaway, outcome.goaway);
}

for (const [name, attack] of Object.entries(attacks)) {
  test(`${name}: bounded, and others keep their pace`, async (t) => {
    const app = await startApp(t);
    await attackBeside(t, app, async () => {
      assertOutcome(await attackHttp2(t, app.port, attack.bytes, attack.rounds), attack);
    });
  });
}

test("a call that is reset in the segment that brought it is not begun", async (t) => {
  const app = await startApp(t);
  const { closed } = await attackHttp2(t, app.port, always(resets(1, 100)));
  assert.equal(closed, false);
  assert.equal(sumOf(await app.metrics(), "chatwire_rpc_started_total"), 0);
});

test("more streams than a connection may have are refused, those within are served", async (t) => {
  const app = await startApp(t, { env: { CONNECTION_STREAMS_MAX: "20" } });
  const flood = Buffer.concat(
    Array.from({ length: 500 }, (_, index) => requestHeaders(1 + 2 * index, openRpc)),
  );
  await attackBeside(t, app, async () => {
    await attackHttp2(t, app.port, always(flood));
    assert.ok(app.app.connections().http2Requests <= 21, "its 20 and the bystander");
  });
});
