import assert from "node:assert/strict";
import http2 from "node:http2";
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
  assert.equal(await statusOverHttp2(app, "/%6detrics"), 404);
  const sent = { headers: json, body: "{}" };
  assert.equal(
    (await request(app, { path: "/chat%2EChatService/ListSessions", ...sent })).status,
    404,
  );
});

async function statusOverHttp2(app: TestApp, path: string): Promise<number | undefined> {
  const session = http2.connect(app.url);
  app.defer(() => session.close());
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  session.on("error", reject);
  const stream = session.request({ ":path": path });
  stream.on("response", (headers) => resolve(headers[":status"]));
  stream.on("error", reject);
  stream.resume();
  return promise;
}
