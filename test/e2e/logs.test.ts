import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { callJson, request, startApp, type TestApp } from "../support/app.ts";
import {
  type FakeGeminiServer,
  textChunk,
  useFakeGeminiServer,
} from "../support/fake-gemini-server.ts";
import { createIssuerKey, signToken, startIssuer } from "../support/jwks.ts";
import { createKeyFolder, createTestKey, writeKeys } from "../support/keys.ts";
import { connectLane, lanes } from "../support/lanes.ts";

/** Stands in every text that somebody says, sends or is given. */
const said = "xyzzy-said";
const secret = "xyzzy-secret";
const model = "gemini-3.8-flash";

type Line = Record<string, unknown>;

/** A server whose log is kept, and a key that it accepts. */
async function start(t: TestContext, env: Record<string, string> = {}) {
  const lines: string[] = [];
  const gemini = await useFakeGeminiServer(t, { apiKey: `${secret}-gemini` });
  const issuer = await startIssuer(t);
  const issuerKey = await createIssuerKey("one");
  issuer.publish(issuerKey);
  const path = join(createKeyFolder(t), "keys.json");
  const key = createTestKey({ name: "billing" });
  writeKeys(path, [key.entry]);
  const app = await startApp(t, {
    env: {
      LOG_LEVEL: "trace",
      GEMINI_API_KEY: gemini.apiKey,
      GEMINI_BASE_URL: gemini.url,
      AUTH_KEYS_FILE: path,
      AUTH_JWKS_URL: issuer.jwksUrl,
      AUTH_ISSUER: issuer.issuer,
      AUTH_AUDIENCE: issuer.audience,
      ...env,
    },
    overrides: { logStream: { write: (line) => void lines.push(line) } },
  });
  const token = await signToken(issuer, issuerKey, Date.now());
  return {
    app,
    gemini,
    key: key.text,
    token,
    lines: () => lines.map(parse),
    text: () => lines.join(""),
  };
}

/** Each line is one JSON object, whatever clients send. */
function parse(line: string): Line {
  assert.equal(line.indexOf("\n"), line.length - 1, "a line has a line end in it");
  return JSON.parse(line);
}

type Server = Awaited<ReturnType<typeof start>>;

/** Says the marker wherever something can be said, and fails in as many ways. */
async function converse({ app, gemini, key, token }: Server): Promise<void> {
  const headers = { authorization: `Bearer ${key}` };
  const { chat } = connectLane(app, lanes[0] ?? assert.fail());
  const { sessionId } = await chat.createSession(
    {
      title: `${said} title`,
      systemInstruction: `${said} instruction`,
      metadata: { name: `${said} metadata\nnext` },
      modelId: model,
    },
    { headers },
  );
  await chat.sendMessage({ sessionId, message: `${said} question\n{"level":60}` }, { headers });
  await chat.sendMessage(
    { message: said, modelId: model },
    { headers: { authorization: `Bearer ${token}` } },
  );
  const calls = [
    chat.sendMessage({ sessionId: `${"x".repeat(100)}\n`, message: said }, { headers }),
    chat.sendMessage({ message: said, modelId: `no-${said}` }, { headers }),
    chat.listSessions({ pageToken: said }, { headers }),
    chat.listSessions({}, { headers: { authorization: `Bearer cw_x_${secret}` } }),
    chat.listSessions({}, { headers: { authorization: `Bearer ${token}${secret}` } }),
  ];
  await Promise.all(calls.map((call) => assert.rejects(call)));
  await failAtProvider(gemini, () => chat.sendMessage({ sessionId, message: said }, { headers }));
  await sendNonsense(app, headers);
}

/** Providers repeat in their errors what they were sent. */
async function failAtProvider(gemini: FakeGeminiServer, call: () => Promise<unknown>) {
  const message = `${said} is not allowed with key ${gemini.apiKey}`;
  gemini.enqueue(({ json }) =>
    json(400, { error: { code: 400, message, status: "INVALID_ARGUMENT" } }),
  );
  await assert.rejects(call());
  // Past the first chunk nothing is tried again.
  gemini.enqueue(async ({ send, raw, end }) => {
    await send(textChunk(said));
    await raw(`data: {"candidates": "${said}\r\n\r\n`);
    await end();
  });
  await assert.rejects(call());
}

async function sendNonsense(app: TestApp, headers: Record<string, string>): Promise<void> {
  const path = "/chat.ChatService/SendMessage";
  const json = { ...headers, "content-type": "application/json" };
  await request(app, { path, headers: json, body: `{"message": "${said}", "${said}": 1}` });
  await request(app, { path, headers: json, body: `{"message": ${said}` });
  const query = `encoding=json&message=%7B%22session_id%22:%22${said}%22%7D&key=${secret}`;
  await request(app, { path: `/chat.ChatService/GetSessionInfo?${query}`, headers });
  await request(app, { path: `/nothing/${said}?key=${secret}`, headers });
  await request(app, { path: `/%zz?key=${secret}`, headers });
}

test("the log has nothing of what anybody said, and no secret", async (t) => {
  const server = await start(t);
  await converse(server);
  await server.app.close();
  assert.ok(server.lines().length > 10);
  assertUnsaid(server, [said]);
  assertUnsaid(server, [secret, server.key, server.token]);
});

test("with LOG_CONTENT the turn's line has question and reply, and still no line has a secret", async (t) => {
  const server = await start(t, { LOG_CONTENT: "1" });
  await converse(server);
  await server.app.close();
  const line = server
    .lines()
    .find(({ msg, finishReason }) => msg === "turn ended" && finishReason === "stop");
  assert.equal(line?.question, `${said} question\n{"level":60}`);
  assert.equal(line?.reply, line?.question);
  assertUnsaid(server, [secret, server.key, server.token]);
});

function assertUnsaid(server: Server, texts: readonly string[]): void {
  for (const text of texts) {
    const leaks = server.lines().filter((line) => JSON.stringify(line).includes(text));
    assert.deepEqual(leaks, [], `"${text}" is in the log`);
  }
}

test("a call and its turn each have a line with ids, principal, code, timing and tokens", async (t) => {
  const server = await start(t, { LOG_LEVEL: "info" });
  const { app, key } = server;
  const headers = { authorization: `Bearer ${key}` };
  const unknown = randomUUID();
  const reply = await callJson(app, "SendMessage", { message: "hi", modelId: model }, headers);
  await callJson(app, "GetSessionInfo", { sessionId: unknown }, headers);
  await callJson(app, "Health", {}, headers);
  await app.close();
  const { sessionId, turnId } = reply.json;
  const [turn] = server.lines().filter(({ msg }) => msg === "turn ended");
  const { principal } = turn ?? {};
  assert.match(String(principal), /^key:/);
  assertHas(turn, {
    sessionId,
    turnId,
    model,
    finishReason: "stop",
    totalChunks: 1,
    inputTokens: 7,
    outputTokens: 1,
  });
  for (const name of ["processingMs", "firstChunkMs"]) assert.equal(typeof turn?.[name], "number");
  const calls = server.lines().filter(({ msg }) => msg === "call ended");
  assert.equal(calls.length, 2);
  const common = { protocol: "connect", principal, address: "127.0.0.1" };
  assertHas(calls[0], {
    rpc: "chat.ChatService/SendMessage",
    code: "ok",
    sessionId,
    turnId,
    ...common,
  });
  assertHas(calls[1], {
    rpc: "chat.ChatService/GetSessionInfo",
    code: "not_found",
    sessionId: unknown,
    ...common,
  });
  for (const call of calls) assert.equal(typeof call.durationMs, "number");
  assert.notEqual(calls[0]?.requestId, calls[1]?.requestId);
});

test("refused calls have their line too, and probes have one at the level debug", async (t) => {
  const server = await start(t, { LOG_LEVEL: "debug" });
  await callJson(server.app, "ListSessions", {});
  const headers = { authorization: `Bearer ${server.key}` };
  await callJson(server.app, "Health", {}, headers);
  await server.app.close();
  const calls = server.lines().filter(({ msg }) => msg === "call ended");
  assertHas(calls[0], { level: 30, rpc: "chat.ChatService/ListSessions", code: "unauthenticated" });
  assert.equal(calls[0]?.principal, undefined);
  assertHas(calls[1], { level: 20, rpc: "chat.ChatService/Health", code: "ok" });
});

function assertHas(line: Line | undefined, wanted: Line): void {
  const had = Object.fromEntries(Object.keys(wanted).map((name) => [name, line?.[name]]));
  assert.deepEqual(had, wanted);
}
