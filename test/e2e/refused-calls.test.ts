import assert from "node:assert/strict";
import http2 from "node:http2";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { request, startApp, sumOf, type TestApp } from "../support/app.ts";

type Line = { msg: string; rpc: string; protocol: string; code: string; address?: string };

const json = { "content-type": "application/json" };
const list = "/chat.ChatService/ListSessions";

/** What is refused before any handler has seen it, and how it is told of. */
const refused: Record<string, Parameters<typeof request>[1] & { rpc?: string; code: string }> = {
  "a foreign Origin": {
    path: list,
    headers: { ...json, origin: "https://evil.example" },
    code: "permission_denied",
  },
  "a foreign Host": {
    path: list,
    headers: { ...json, host: "evil.example" },
    code: "permission_denied",
  },
  "metadata that is no base64": {
    path: list,
    headers: { ...json, "x-bin": "!" },
    code: "invalid_argument",
  },
  "a timeout that is none": {
    path: list,
    headers: { ...json, "connect-timeout-ms": "soon" },
    code: "invalid_argument",
  },
  "a content type that no protocol has": {
    path: list,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    code: "invalid_argument",
  },
  "another HTTP method": { path: list, method: "PUT", headers: json, code: "unimplemented" },
  "an RPC that there is not": {
    path: "/chat.ChatService/Invented",
    headers: json,
    rpc: "unknown",
    code: "unimplemented",
  },
  "an RPC in escapes": {
    path: "/chat%2EChatService/ListSessions",
    headers: { "content-type": "application/grpc" },
    rpc: "unknown",
    code: "unimplemented",
  },
};

async function start(t: Parameters<typeof startApp>[0]) {
  const lines: string[] = [];
  const logStream = { write: (line: string) => void lines.push(line) };
  const app = await startApp(t, { overrides: { logStream } });
  const calls = () =>
    lines.map((line) => JSON.parse(line) as Line).filter(({ msg }) => msg === "call ended");
  return { app, calls };
}

for (const [name, { code, rpc = list.slice(1), ...sent }] of Object.entries(refused)) {
  test(`a call that is refused for ${name} is logged and counted once`, async (t) => {
    const { app, calls } = await start(t);
    const { status } = await request(app, { method: "POST", body: "{}", ...sent });
    assert.ok(status >= 400 || sent.headers?.["content-type"]?.startsWith("application/grpc"));
    assert.deepEqual(
      calls().map(({ rpc: named, code: ended, address }) => [named, ended, address]),
      [[rpc, code, "127.0.0.1"]],
    );
    const metrics = await app.metrics();
    for (const metric of ["chatwire_rpc_started_total", "chatwire_rpc_ended_total"]) {
      assert.equal(sumOf(metrics, metric, `rpc="${rpc}"`), 1, metric);
    }
    assert.equal(sumOf(metrics, "chatwire_rpc_ended_total", `code="${code}"`), 1);
  });
}

test("two credentials are refused, over either HTTP version, whichever is good", async (t) => {
  const { app } = await start(t);
  const lines = [
    "POST /chat.ChatService/ListSessions HTTP/1.1",
    "Host: localhost",
    "Authorization: Bearer one",
    "Content-Type: application/json",
    "authorization: Bearer two",
    "Content-Length: 2",
    "Connection: close",
  ];
  const answer = await sendRaw(app, `${lines.join("\r\n")}\r\n\r\n{}`);
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.match(answer, /METADATA_INVALID/);
  const headers = { ...json, ":method": "POST", authorization: ["Bearer one", "Bearer two"] };
  const sent = [":path", list, ...Object.entries(headers).flatMap(repeated)];
  assert.equal(await statusOverHttp2(app, sent, "{}"), 400);
});

test("over HTTP/2 a Host that is not the authority is refused where names are held to a list", async (t) => {
  const { app } = await start(t);
  const sent = (host: string) => [":path", "/healthz", ":authority", "localhost", "host", host];
  assert.equal(await statusOverHttp2(app, sent("evil.example")), 403);
  assert.equal(await statusOverHttp2(app, sent("LOCALHOST")), 200);
});

/** Each value of a header as a header of its own. */
function repeated([name, values]: [string, string | string[]]): string[] {
  return [values].flat().flatMap((value) => [name, value]);
}

async function sendRaw({ port }: TestApp, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.end(bytes);
  return text(socket);
}

test("a stream that has come over HTTP/1.1 is told of as a call of its RPC", async (t) => {
  const { app, calls } = await start(t);
  const path = "/chat.ChatService/Chat";
  await request(app, { path, headers: json, body: "{}" });
  assert.deepEqual(
    calls().map(({ rpc }) => rpc),
    [path.slice(1)],
  );
});

test("pages are no calls, whoever asks for them", async (t) => {
  const { app, calls } = await start(t);
  for (const path of ["/healthz", "/no/such/page", "/%6detrics"]) {
    await request(app, { path, headers: { host: "evil.example" } });
    await request(app, { path });
  }
  assert.deepEqual(calls(), []);
});

test("a path in escapes is no page and no RPC, over either HTTP version", async (t) => {
  const { app } = await start(t);
  assert.equal((await request(app, { path: "/%6detrics" })).status, 404);
  assert.equal((await request(app, { path: "/metrics%2f" })).status, 404);
  assert.equal((await request(app, { path: "/metrics" })).status, 200);
  assert.equal(await statusOverHttp2(app, [":path", "/%6detrics"]), 404);
  const sent = { headers: json, body: "{}" };
  assert.equal(
    (await request(app, { path: "/chat%2EChatService/ListSessions", ...sent })).status,
    404,
  );
});

/** Node's client sends a credential twice only so; its types do not know the option yet. */
const lenient: object = { strictSingleValueFields: false };

/** Names and values alternate, so that a name can come twice. */
async function statusOverHttp2(
  app: TestApp,
  headers: readonly string[],
  body?: string,
): Promise<number | undefined> {
  const session = http2.connect(app.url, lenient);
  app.defer(() => session.close());
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  session.on("error", reject);
  const stream = session.request([...headers]);
  stream.on("response", (received) => resolve(received[":status"]));
  stream.on("error", reject);
  stream.end(body);
  stream.resume();
  return promise;
}
