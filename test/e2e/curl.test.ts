import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startApp, type TestApp } from "../support/app.ts";
import { requireProgram, runProgram } from "../support/programs.ts";

const skip = requireProgram("curl", ["--version"]);
const certificate = fileURLToPath(new URL("../fixtures/tls/cert.pem", import.meta.url));

/** The ways in which curl speaks, and the HTTP version that it then reports. */
const ways: readonly { flags: string[]; tls: boolean; version: string }[] = [
  { flags: ["--http1.1"], tls: false, version: "1.1" },
  // Asks for an upgrade to h2c, which is not granted.
  { flags: ["--http2"], tls: false, version: "1.1" },
  { flags: ["--http2-prior-knowledge"], tls: false, version: "2" },
  { flags: ["--http1.1"], tls: true, version: "1.1" },
  { flags: ["--http2"], tls: true, version: "2" },
];

type Answer = { status: number; version: string; body: string };

async function curl(t: TestContext, app: TestApp, args: string[], rpc: string): Promise<Answer> {
  const url = `${app.tls ? "https" : "http"}://localhost:${app.port}/chat.ChatService/${rpc}`;
  const trust = app.tls ? ["--cacert", certificate] : [];
  const report = [
    "-sS",
    "--max-time",
    "20",
    "--noproxy",
    "*",
    "-w",
    "\n%{http_code} %{http_version}",
  ];
  const { code, stdout, stderr } = await runProgram(t, "curl", [...report, ...trust, ...args, url]);
  assert.equal(code, 0, stderr);
  const lines = stdout.split("\n");
  const [status = "", version = ""] = lines.pop()?.split(" ") ?? [];
  return { status: Number(status), version, body: lines.join("\n") };
}

const json = ["-H", "content-type: application/json"];

for (const { flags, tls, version } of ways) {
  const name = `curl ${flags.join(" ")}${tls ? " over TLS" : ""}`;

  test(`${name}: a conversation`, { skip }, async (t) => {
    const app = await startApp(t, { tls });
    const call = async (rpc: string, message: object) => {
      const answer = await curl(t, app, [...flags, ...json, "-d", JSON.stringify(message)], rpc);
      assert.deepEqual([answer.status, answer.version], [200, version], answer.body);
      return JSON.parse(answer.body);
    };
    const { sessionId } = await call("CreateSession", {});
    await call("SendMessage", { sessionId, message: "My mother worries about me." });
    const { text, model } = await call("SendMessage", { sessionId, message: "Hm." });
    assert.match(text, /your mother worries about you/);
    assert.equal(model, "eliza");
    const { messages, lastSequence } = await call("ListMessages", { sessionId });
    assert.equal(messages.length, 4);
    assert.equal(typeof lastSequence, "string", "a 64-bit integer of JSON");
    const info = await call("GetSessionInfo", { session_id: sessionId });
    assert.equal(info.messageCount, 4, "field names as in the contract are taken too");
    assert.equal((await call("DeleteSession", { sessionId })).success, true);
  });

  test(`${name}: a refusal is an HTTP status with JSON`, { skip }, async (t) => {
    const app = await startApp(t, { tls });
    const answer = await curl(t, app, [...flags, ...json, "-d", "{}"], "GetSessionInfo");
    assert.equal(answer.status, 400);
    const { code, details } = JSON.parse(answer.body);
    assert.equal(code, "invalid_argument");
    assert.deepEqual(
      details.map(({ type, debug }: Detail) => [type, debug.reason ?? debug.fieldViolations?.[0]]),
      [
        ["google.rpc.ErrorInfo", "INVALID_REQUEST"],
        ["google.rpc.BadRequest", { field: "session_id", description: "must not be empty" }],
      ],
    );
  });
}

type Detail = { type: string; debug: { reason?: string; fieldViolations?: object[] } };

test("curl without a content type is told the whole command", { skip }, async (t) => {
  const app = await startApp(t);
  const { status, body } = await curl(t, app, ["-d", '{"message":"Hi"}'], "SendMessage");
  assert.equal(status, 415);
  const { message } = JSON.parse(body);
  const command = /curl .*$/.exec(message)?.[0] ?? "";
  assert.match(command, /application\/json/);
  // Pasted as it stands, it reaches the RPC, which misses a message.
  const { stdout } = await runProgram(t, "sh", ["-c", `${command} -sS --noproxy '*'`]);
  assert.equal(JSON.parse(stdout).code, "invalid_argument");
});
