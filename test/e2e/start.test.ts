import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { callJson } from "../support/app.ts";
import { useFakeGeminiServer } from "../support/fake-gemini-server.ts";
import { requireProgram, runProgram, temporaryFolder } from "../support/programs.ts";
import { assertPlainWords, runServer, startServer } from "../support/server-process.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const root = path("../..");
const tlsEnv = {
  TLS_CERT_FILE: path("../fixtures/tls/cert.pem"),
  TLS_KEY_FILE: path("../fixtures/tls/key.pem"),
};
const skip = requireProgram("curl", ["--version"]) || requireProgram("npm", ["--version"]);

/** The commands under "Try it:". */
function commandsIn(stdout: string): string[] {
  const [, listed = ""] = /Try it:\n((?: {2}.*\n)+)/.exec(stdout) ?? [];
  return listed.split("\n").flatMap((line) => line.trim() || []);
}

/** Pastes a command into sh, in the checkout, with `input` typed after it. */
async function paste(t: TestContext, command: string, input = ""): Promise<string> {
  const env = { ...process.env, no_proxy: "*", NO_COLOR: "1" };
  const result = await runProgram(t, "sh", ["-c", command], { cwd: root, env, input });
  assert.equal(result.code, 0, `${command}\n${result.stderr}`);
  return result.stdout;
}

test("it starts without any configuration and says what can be done", { skip }, async (t) => {
  const cwd = temporaryFolder(t);
  const server = await startServer(t, { cwd, env: { SCRIPTED_MODEL: "0" } });
  assert.match(server.stdout, /^chatwire \d\S* listens on http:\/\/localhost:\d+\n/);
  assert.match(server.stdout, /model {2}eliza, because \S+/);
  const [, data = ""] = /data {3}(\S+)/.exec(server.stdout) ?? [];
  assert.equal(data, join(cwd, "data/chatwire.db"));
  assert.ok(existsSync(data));

  const [curl = "", chat = "", ...more] = commandsIn(server.stdout);
  assert.deepEqual(more, []);
  assert.notEqual(JSON.parse(await paste(t, curl)).text, "");
  assert.match(await paste(t, chat, "My mother worries about me."), /your mother/);
  server.kill("SIGTERM");
  const { code, stderr } = await server.result();
  assert.equal(code, 0);
  assertPlainWords(stderr);
});

test("the commands work over TLS", { skip }, async (t) => {
  const server = await startServer(t, { env: tlsEnv });
  assert.match(server.stdout, /listens on https:\/\/localhost:\d+/);
  const [curl = ""] = commandsIn(server.stdout);
  assert.notEqual(JSON.parse(await paste(t, curl)).text, "");
});

test("a port on which chatwire runs already is told so", async (t) => {
  const first = await startServer(t);
  const env = { PORT: String(first.port), DATABASE_URL: "memory:" };
  const { code, stderr, stdout } = await runServer(t, { env });
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, new RegExp(`Port ${first.port} is taken: chatwire runs there already`));
  assert.match(stderr, /npm run chat/);
  assert.match(stderr, new RegExp(`npm start -- --port ${first.port + 1}`));
  assertPlainWords(stderr);
});

test("a port that another program has is told so", async (t) => {
  const other = createServer((_request, response) => response.end("hello"));
  other.listen(0, "localhost");
  await once(other, "listening");
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const { code, stderr } = await runServer(t, { env: { PORT: String(port) } });
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`Port ${port} is taken by another program`));
  assert.match(stderr, /npm start -- --port \d+/);
  assertPlainWords(stderr);
});

test("a second process on the same database is refused", async (t) => {
  const cwd = temporaryFolder(t);
  const first = await startServer(t, { cwd });
  const { code, stderr } = await runServer(t, { cwd });
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`in use by process ${first.pid} at ${first.url}`));
  assertPlainWords(stderr);
  const { status } = await callJson(first, "Health", {});
  assert.equal(status, 200, "the first is not disturbed");
});

test("every problem of the configuration is told at once", async (t) => {
  const env = { PORT: "many", LOG_LEVEL: "loud", TLS_CERT_FILE: "/no/such/file", HOST: "0.0.0.0" };
  const { code, stderr } = await runServer(t, { env });
  assert.equal(code, 1);
  for (const name of Object.keys(env)) assert.match(stderr, new RegExp(name));
  assertPlainWords(stderr);
});

test("a Node that is too old is told in words", async (t) => {
  const old =
    "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'18.19.0'})";
  const { code, stderr } = await runServer(t, { nodeArgs: ["--import", old] });
  assert.equal(code, 1);
  assert.match(stderr, /chatwire needs Node.js 24.17 or newer, and this is 18.19.0/);
  assertPlainWords(stderr);
});

const systemNode = "/usr/bin/node";
const oldNode = "process.exit(Number(process.versions.node.split('.')[0]) < 24 ? 0 : 1)";

// What is deterministic about it is the test above; a real one also has to read the file.
test("a real Node that is too old can read the file that says so", {
  skip: skipUnlessOld(),
}, async (t) => {
  const bin = path("../../bin/chatwire.js");
  const { code, stderr } = await runProgram(t, systemNode, [bin, "serve"]);
  assert.equal(code, 1);
  assert.match(stderr, /chatwire needs Node.js/);
  assertPlainWords(stderr);
});

function skipUnlessOld(): string | false {
  if (!existsSync(systemNode)) return `there is no ${systemNode}`;
  const ci = process.env.CI;
  delete process.env.CI;
  try {
    return requireProgram(systemNode, ["-e", oldNode]);
  } finally {
    if (ci !== undefined) process.env.CI = ci;
  }
}

test("a Gemini key makes it Gemini, and the log says that it is accepted", async (t) => {
  const gemini = await useFakeGeminiServer(t);
  const env = { GEMINI_API_KEY: gemini.apiKey, GEMINI_BASE_URL: gemini.url };
  const server = await startServer(t, { env });
  assert.match(server.stdout, /model {2}gemini-3.8-flash, because GEMINI_API_KEY/);
  await server.until(/gemini accepted/);
  const { status, json } = await callJson(server, "SendMessage", { message: "Hello" });
  assert.equal(status, 200, JSON.stringify(json));
  assert.equal(json.model, "gemini-3.8-flash");
  const { json: alias } = await callJson(server, "CreateSession", { modelId: "gemini-2.0-flash" });
  assert.equal(alias.model, "gemini-3.8-flash");
});

test("a key that Gemini rejects is told with what to do, to the operator and the caller", async (t) => {
  const gemini = await useFakeGeminiServer(t);
  const apiKey = "a-wrong-key-1234567890";
  const env = { GEMINI_API_KEY: apiKey, GEMINI_BASE_URL: gemini.url };
  const server = await startServer(t, { env });
  await server.until(/gemini rejected/);
  const { json } = await callJson(server, "SendMessage", { message: "Hello" });
  const [detail] = json.details as { debug: { reason: string } }[];
  assert.equal(detail?.debug.reason, "MODEL_KEY_REJECTED");
  server.kill("SIGTERM");
  const { stdout, stderr } = await server.result();
  assert.ok(!`${stdout}${stderr}`.includes(apiKey), "a secret is never logged");
});

test("a Gemini that cannot be reached is told, and the server serves", async (t) => {
  const gemini = await useFakeGeminiServer(t);
  await gemini.close();
  const env = { GEMINI_API_KEY: "a-key-1234567890", GEMINI_BASE_URL: gemini.url };
  const server = await startServer(t, { env });
  await server.until(/gemini unreachable/);
  const { json } = await callJson(server, "SendMessage", { message: "Hi", modelId: "eliza" });
  assert.equal(json.model, "eliza");
});
