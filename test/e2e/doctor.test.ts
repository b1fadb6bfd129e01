import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Finding } from "../../src/doctor/finding.ts";
import { type Env, startApp } from "../support/app.ts";
import { connectLane, lanes } from "../support/lanes.ts";
import { runProgram, temporaryFolder } from "../support/programs.ts";

const bin = fileURLToPath(new URL("../../bin/chatwire.js", import.meta.url));
const path = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));

async function doctor(t: TestContext, env: Env): Promise<{ code: number | null; told: string[] }> {
  const { CI: _, NODE_TEST_CONTEXT: __, ...inherited } = process.env;
  const { code, stdout, stderr } = await runProgram(
    t,
    process.execPath,
    [bin, "doctor", "--json"],
    {
      cwd: temporaryFolder(t),
      env: { ...inherited, ...env },
    },
  );
  assert.equal(stderr, "");
  const { findings }: { findings: Finding[] } = JSON.parse(stdout);
  return {
    code,
    told: findings.map(({ check, status, detail }) => `${check} ${status}: ${detail}`),
  };
}

for (const tls of [false, true]) {
  test(`our own server on the port and the database is no problem${tls ? ", over TLS" : ""}`, async (t) => {
    const databaseUrl = `sqlite:${join(temporaryFolder(t), "chatwire.db")}`;
    const app = await startApp(t, { tls, env: { DATABASE_URL: databaseUrl } });
    const [lane] = lanes.filter((each) => each.tls === tls);
    assert.ok(lane);
    const { chat } = connectLane(app, lane);
    await chat.sendMessage({ message: "Hi", modelId: "scripted:3x1" });
    const tlsEnv = tls && { TLS_CERT_FILE: path("cert.pem"), TLS_KEY_FILE: path("key.pem") };
    const env = { DATABASE_URL: databaseUrl, PORT: String(app.port), ...tlsEnv };
    const { code, told } = await doctor(t, env);
    assert.equal(code, 0, told.join("\n"));
    const expected = [
      `port ok: chatwire answers on localhost port ${app.port}`,
      `database ok: process ${process.pid} uses it, at ${tls ? "https" : "http"}://localhost:${app.port}`,
      "database ok: it is sound: 1 sessions, 2 messages",
    ];
    for (const line of expected) assert.ok(told.includes(line), `${line}\n${told.join("\n")}`);
    await chat.sendMessage({ message: "It goes on", modelId: "scripted:3x1" });
  });

  test(`a server that keeps nothing is known by its answer${tls ? ", over TLS" : ""}`, async (t) => {
    const { port } = await startApp(t, { tls });
    const tlsEnv = tls && { TLS_CERT_FILE: path("cert.pem"), TLS_KEY_FILE: path("key.pem") };
    const { told } = await doctor(t, { PORT: String(port), DATABASE_URL: "memory:", ...tlsEnv });
    assert.ok(
      told.includes(`port ok: chatwire answers on localhost port ${port}`),
      told.join("\n"),
    );
  });
}

test("a server refuses the database of a later release in words, and doctor says the same", async (t) => {
  const file = join(temporaryFolder(t), "chatwire.db");
  const env = { DATABASE_URL: `sqlite:${file}`, PORT: "0" };
  await (await startApp(t, { env })).close();
  const later = new DatabaseSync(file);
  later.exec("INSERT INTO schema_migrations VALUES ('store', 99, '0099-future', 0)");
  later.close();
  const before = readFileSync(file);
  const { CI: _, NODE_TEST_CONTEXT: __, ...inherited } = process.env;
  const served = await runProgram(t, process.execPath, [bin, "serve"], {
    cwd: temporaryFolder(t),
    env: { ...inherited, ...env },
  });
  assert.equal(served.code, 1);
  assert.match(served.stderr, /was written by a newer chatwire \(store 99, .*\); upgrade this one/);
  const { code, told } = await doctor(t, env);
  assert.equal(code, 1);
  assert.match(told.join("\n"), /database failed: .* was written by a newer chatwire/);
  assert.deepEqual(readFileSync(file), before);
  assert.ok(!existsSync(`${file}.owner.json`));
});
