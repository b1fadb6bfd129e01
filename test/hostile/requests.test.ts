import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { services } from "../../src/service/services.ts";
import { startApp, type TestApp } from "../support/app.ts";
import { attackBeside } from "../support/bystander.ts";
import { connectTcp, readAll } from "../support/listener.ts";
import {
  bodyOf,
  encodingHeaderOf,
  envelope,
  type RawSent,
  type RawWire,
  rawWires,
  requestHttp2,
  sendRaw,
  timeoutHeaderOf,
} from "../support/raw-wires.ts";
import { assertError } from "../support/wire.ts";

type Sent = Omit<RawSent, "path">;

type Attack = {
  /** On which wires; by default on all. */
  on?: (wire: RawWire) => boolean;
  sent: (wire: RawWire) => readonly Sent[];
  code?: Code;
  reason: string;
};

const { InvalidArgument, ResourceExhausted } = Code;

const messageOf = ({ json }: RawWire) =>
  Buffer.from(json ? '{"message":"Hi"}' : [0x1a, 2, 0x48, 0x69]);

/** The message with one more header. */
function withHeader(wire: RawWire, name: string, values: readonly string[]): Sent[] {
  return values.map((value) => ({
    headers: { [name]: value },
    body: bodyOf(wire, messageOf(wire)),
  }));
}

const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20));

const deep = [
  "[".repeat(1_000_000),
  '{"generation":'.repeat(100_000),
  `{"message":${"[".repeat(500_000)}${"]".repeat(500_000)}}`,
  `{"attachments":[${"{},".repeat(300_000)}{}]}`,
].map((text) => Buffer.from(text));

const giant = [
  '{"message":"Hi","afterSequence":1180591620717411303424}',
  `{"message":"Hi","afterSequence":${"9".repeat(500_000)}}`,
  '{"message":"Hi","generation":{"temperature":1e400}}',
  '{"message":"Hi","generation":{"seed":1e308}}',
].map((text) => Buffer.from(text));

/** Protobuf's own: a varint without end, a length beyond the message, a group that nobody closes. */
const giantBinary = [Buffer.alloc(100_000, 0xff), [0x1a, 0xff, 0xff, 0xff, 0xff, 0x7f], [0x0b]];

const invalidText = [0x61, 0xff, 0xfe, 0xc0, 0xaf, 0xed, 0xa0, 0x80];

const attacks: Readonly<Record<string, Attack>> = {
  "zip bombs": {
    sent: (wire) => [
      { body: bodyOf(wire, bomb, 1), headers: { [encodingHeaderOf(wire)]: "gzip" } },
    ],
    code: ResourceExhausted,
    reason: "MESSAGE_TOO_LARGE",
  },
  "frames that say they are longer than what follows": {
    on: ({ protocol }) => protocol !== "connect",
    sent: (wire) => [
      { body: envelope(messageOf(wire), 0, 500_000) },
      { body: Buffer.from([0, 0, 0]) },
    ],
    reason: "REQUEST_UNDECODABLE",
  },
  "text that is no UTF-8": {
    sent: (wire) => {
      const text = wire.json
        ? Buffer.concat([Buffer.from('{"message":"'), Buffer.from(invalidText), Buffer.from('"}')])
        : Buffer.from([0x1a, invalidText.length, ...invalidText]);
      return [{ body: bodyOf(wire, text) }];
    },
    reason: "REQUEST_UNDECODABLE",
  },
  "JSON as deep or as crowded as it may be long": {
    on: ({ json }) => json,
    sent: (wire) => deep.map((text) => ({ body: bodyOf(wire, text) })),
    reason: "REQUEST_UNDECODABLE",
  },
  "giant numbers": {
    sent: (wire) => {
      const bodies = wire.json ? giant : giantBinary.map((bytes) => Buffer.from(bytes));
      return bodies.map((body) => ({ body: bodyOf(wire, body) }));
    },
    reason: "REQUEST_UNDECODABLE",
  },
  "absurd deadlines": {
    sent: (wire) =>
      withHeader(wire, timeoutHeaderOf(wire), ["-1S", "9".repeat(5_000), "1e9", "0x10", "soon"]),
    reason: "TIMEOUT_INVALID",
  },
  "metadata that says it is base64": {
    sent: (wire) => withHeader(wire, "trace-bin", ["@@@", "a", "====", `${"A".repeat(9_000)}*`]),
    reason: "METADATA_INVALID",
  },
};

function pathOf({ protocol }: RawWire): string {
  return `/chat.ChatService/${protocol === "connect-stream" ? "StreamChat" : "SendMessage"}`;
}

for (const [name, attack] of Object.entries(attacks)) {
  test(`${name}: each is refused in its protocol, and others keep their pace`, async (t) => {
    const app = await startApp(t);
    const wires = rawWires.filter((wire) => attack.on?.(wire) ?? true);
    await attackBeside(t, app, async () => {
      for (const wire of wires) {
        for (const sent of attack.sent(wire)) {
          const { error } = await sendRaw(app, wire, { path: pathOf(wire), ...sent });
          assert.ok(error, `served: ${wire.name}`);
          assertError(error, attack.code ?? InvalidArgument, attack.reason);
        }
      }
    });
  });
}

const tricks = [
  "/../package.json",
  "/../../../../../../etc/passwd",
  "/assets/../../package.json",
  "/assets/..%2f..%2fpackage.json",
  "/assets/%2e%2e/%2e%2e/package.json",
  "/assets/%252e%252e%252fpackage.json",
  "/assets/..\\..\\package.json",
  "/assets/....//....//package.json",
  "/assets/..;/..;/package.json",
  "/%c0%ae%c0%ae/package.json",
  "/index.html%00.js",
  "/.env",
  "/.git/config",
  "//etc/passwd",
  "/s/..%2f..%2fpackage.json",
  "/%zz",
];

/** The target as it is: clients in their right mind would have resolved it. */
async function getRaw(app: TestApp, t: Parameters<typeof connectTcp>[0], target: string) {
  const socket = await connectTcp(t, app.port);
  const answer = readAll(socket);
  socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  return answer;
}

test("path tricks: no file but the page's is ever sent, and others keep their pace", async (t) => {
  const app = await startApp(t);
  await attackBeside(t, app, async () => {
    for (const target of tricks) {
      const answer = await getRaw(app, t, target);
      // A path of the page's own shows the page, whatever is behind /s/.
      const [, status] = /^HTTP\/1\.1 (\d{3})/.exec(answer) ?? [];
      assert.match(status ?? "", target.startsWith("/s/") ? /200|404/ : /400|404/, target);
      assert.doesNotMatch(answer, /root:|"devDependencies"|\[core\]/, target);
      const over2 = await requestHttp2(app, { path: target, method: "GET" });
      assert.equal(String(over2.status), status, target);
      assert.doesNotMatch(over2.body, /root:|"devDependencies"|\[core\]/, target);
    }
  });
});

/** Numbers that look random and are the same in every run (a linear congruential generator). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const rpcs = services.flatMap(({ typeName, methods }) =>
  methods.map((method) => ({ path: `/${typeName}/${method.name}`, method })),
);

test("random bytes to every RPC by every wire: a status of the protocol, and others keep their pace", async (t) => {
  const app = await startApp(t, { env: { DISCONNECT_GRACE_MS: "0" } });
  const random = createRandom(20_261_123);
  const codes = new Set<Code | undefined>();
  const ours = new Set<Code | undefined>([Code.Internal, Code.Unknown, Code.DataLoss]);
  await attackBeside(t, app, async () => {
    for (const { path } of rpcs) {
      await Promise.all(
        rawWires.map(async (wire) => {
          const bytes = Buffer.from(Array.from({ length: 200 * random() }, () => 256 * random()));
          const body = random() < 0.5 ? bytes : bodyOf(wire, bytes);
          const headers = {
            [timeoutHeaderOf(wire)]: wire.protocol.startsWith("connect") ? "300" : "300m",
          };
          const { error } = await sendRaw(app, wire, { path, body, headers });
          codes.add(error?.code);
          assert.ok(!ours.has(error?.code), `${path} by ${wire.name}: ${error}`);
        }),
      );
    }
  });
  assert.ok(codes.has(InvalidArgument));
});
