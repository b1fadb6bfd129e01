import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../../src/config.ts";
import { checkAuthentication } from "../../../src/doctor/check-authentication.ts";
import { checkDatabase } from "../../../src/doctor/check-database.ts";
import { checkClock, checkMachine } from "../../../src/doctor/check-machine.ts";
import { fileSystemProblem } from "../../../src/doctor/file-systems.ts";
import type { Finding } from "../../../src/doctor/finding.ts";
import { useFakeGeminiServer } from "../../support/fake-gemini-server.ts";
import {
  execute,
  makeDamagedDatabase,
  makeDatabase,
  makeKilledDatabase,
  titlesOf,
} from "./databases.ts";
import { runCli, temporaryDirectory } from "./run-cli.ts";

type Answer = { code: number | null; ok: boolean; findings: Finding[]; stdout: string };

/** What `chatwire doctor --json` says in an empty folder, with any free port. */
async function doctor(t: TestContext, env: Record<string, string> = {}, ...args: string[]) {
  const cwd = temporaryDirectory(t);
  const rest = { cwd, env: { PORT: "0", ...env } };
  const { code, stdout, stderr } = await runCli(t, ["doctor", "--json", ...args], "", rest);
  assert.equal(stderr, "");
  assert.deepEqual(readdirSync(cwd), [], "it changes nothing");
  const answer: Answer = { code, ...JSON.parse(stdout), stdout };
  assert.equal(answer.ok, !answer.findings.some(({ status }) => status === "failed"));
  assert.equal(answer.code, answer.ok ? 0 : 1);
  return answer;
}

function problems(findings: readonly Finding[]): string {
  const told = findings.filter(({ status }) => status !== "ok");
  for (const { advice } of told) assert.notEqual(advice, "");
  return told.map(({ check, status, detail }) => `${check} ${status}: ${detail}`).join("\n");
}

async function lookAt(file: string, now = Date.now()): Promise<string> {
  const { findings } = await checkDatabase({ type: "sqlite", path: file }, now);
  return problems(findings);
}

test("without any configuration nothing is wrong, and nothing is made", async (t) => {
  const { ok, findings } = await doctor(t);
  assert.ok(ok, problems(findings));
  const checks = new Set(findings.map(({ check }) => check));
  for (const check of ["configuration", "port", "database", "disk", "certificate", "clock"]) {
    assert.ok(checks.has(check), check);
  }
});

test("people read a line for each finding, and below it what to do", async (t) => {
  const cwd = temporaryDirectory(t);
  const { code, stdout } = await runCli(t, ["doctor", "--port", "none"], "", { cwd });
  assert.equal(code, 1);
  assert.match(stdout, /^failed {3}configuration {3}PORT="none" \(from --port\): /m);
  assert.match(stdout, /^ +→ chatwire serve --help/m);
  assert.match(stdout, /^ok {7}database {8}.* will be made$/m);
});

test("every problem of the configuration is told at once, no secret among them", async (t) => {
  const file = await makeDatabase(t, "one");
  const env = {
    PORT: "none",
    HEARTBEAT_MS: "soon",
    REDIS_URL: "redis://:hush@host",
    GEMINI_API_KEY: "hush hush",
    DATABASE_URL: `sqlite:${file}`,
  };
  const { findings, stdout } = await doctor(t, env);
  const told = problems(findings);
  for (const name of ["PORT", "HEARTBEAT_MS", "REDIS_URL", "GEMINI_API_KEY"]) {
    assert.match(told, new RegExp(`configuration failed: ${name}`));
  }
  assert.doesNotMatch(stdout, /hush/);
  assert.ok(findings.some(({ detail }) => /it is sound: 1 sessions/.test(detail)));
});

test("a provider that rejects the key, or cannot be reached, is told without the key", async (t) => {
  const server = await useFakeGeminiServer(t, {});
  const base = { GEMINI_BASE_URL: server.url, NO_PROXY: "*", no_proxy: "*" };
  const accepted = await doctor(t, { ...base, GEMINI_API_KEY: server.apiKey });
  assert.ok(accepted.findings.some(({ detail }) => /the key is accepted/.test(detail)));
  assert.ok(accepted.ok, problems(accepted.findings));
  const rejected = await doctor(t, { ...base, GEMINI_API_KEY: "AIza-a-wrong-key" });
  assert.match(problems(rejected.findings), /model gemini failed: the key is not accepted/);
  assert.doesNotMatch(rejected.stdout, /a-wrong-key/);
  await server.close();
  const away = await doctor(t, { ...base, GEMINI_API_KEY: server.apiKey });
  assert.match(problems(away.findings), /model gemini failed: it cannot be reached/);
});

test("the port of another program is told, and what is not this machine's", async (t) => {
  const stranger = createServer((_request, response) => response.end("a page"));
  await new Promise<void>((done) => stranger.listen(0, "127.0.0.1", done));
  t.after(() => stranger.close());
  const { port } = stranger.address() as AddressInfo;
  const taken = await doctor(t, { PORT: String(port), HOST: "127.0.0.1" });
  assert.match(problems(taken.findings), /port failed: another program has 127\.0\.0\.1 port/);
  const elsewhere = await doctor(t, { HOST: "192.0.2.1", ALLOW_ANONYMOUS: "1", PORT: "50051" });
  assert.match(problems(elsewhere.findings), /port failed: .*EADDRNOTAVAIL/);
  assert.match(problems(elsewhere.findings), /authentication warning: none, and 192\.0\.2\.1/);
});

test("a sound database is read and left as it is, its WAL included", async (t) => {
  const file = await makeDatabase(t, "one");
  const before = readdirSync(join(file, ".."));
  assert.equal(await lookAt(file), "");
  assert.deepEqual(readdirSync(join(file, "..")), before);
  const killed = await makeKilledDatabase(t, "one", "two");
  const { findings } = await checkDatabase({ type: "sqlite", path: killed }, Date.now());
  assert.ok(findings.some(({ detail }) => /it is sound: 2 sessions, 0 messages/.test(detail)));
  assert.deepEqual(titlesOf(killed), ["one", "two"]);
});

test("a database that is damaged, newer, older or another program's is told", async (t) => {
  assert.match(
    await lookAt(await makeDamagedDatabase(t)),
    /database failed: .*(damaged|malformed)/,
  );
  const newer = await makeDatabase(t);
  execute(newer, "INSERT INTO schema_migrations VALUES ('store', 99, '0099-future', 0)");
  assert.match(await lookAt(newer), /database failed: .*written by a newer chatwire/);
  const older = await makeDatabase(t);
  execute(older, "DELETE FROM schema_migrations WHERE module = 'store' AND version > 1");
  assert.match(await lookAt(older), /database warning: an earlier release wrote it/);
  const foreign = join(temporaryDirectory(t), "foreign.db");
  execute(foreign, "CREATE TABLE addresses (a)");
  assert.match(await lookAt(foreign), /database failed: .*no database of chatwire/);
});

test("a clock behind the database, or in another age, is told", async (t) => {
  const file = await makeDatabase(t, "one");
  assert.match(await lookAt(file, Date.now() - 60 * 60 * 1_000), /clock warning: .* behind/);
  assert.equal(await lookAt(file, Date.now() - 60 * 1_000), "");
  assert.equal(checkClock(Date.UTC(1970, 0)).status, "failed");
  assert.equal(checkClock(Date.now()).status, "ok");
});

test("a folder that is none is told", async (t) => {
  const file = join(temporaryDirectory(t), "letter");
  writeFileSync(file, "a letter");
  assert.match(await lookAt(join(file, "chatwire.db")), /database failed: .*letter is no folder/);
});

test("a folder that cannot be written is told", async (t) => {
  const folder = join(temporaryDirectory(t), "closed");
  mkdirSync(folder);
  const database = { type: "sqlite", path: join(folder, "data", "chatwire.db") } as const;
  // Modes mean nothing to root, whom tests may run as.
  const canWrite = (path: string) => path !== folder;
  const { findings } = await checkDatabase(database, Date.now(), canWrite);
  assert.match(problems(findings), /database failed: .*closed cannot be written/);
  assert.ok(!existsSync(join(folder, "data")));
});

test("a link to the database is followed", async (t) => {
  const file = await makeDatabase(t, "one");
  const link = join(temporaryDirectory(t), "link.db");
  symlinkSync(file, link);
  const { findings } = await checkDatabase({ type: "sqlite", path: link }, Date.now());
  assert.equal(problems(findings), "");
  assert.ok(findings.some(({ detail }) => detail === file));
});

test("file systems without locks that can be trusted are known by their numbers", (t) => {
  if (process.platform !== "linux") return t.skip("of Linux alone");
  assert.equal(fileSystemProblem(0x6969)?.name, "NFS");
  assert.equal(fileSystemProblem(0xff534d42)?.name, "SMB");
  assert.equal(fileSystemProblem(0xff534d42 | 0)?.name, "SMB", "as a signed number");
  assert.equal(fileSystemProblem(0x01021994)?.name, "tmpfs");
  assert.equal(fileSystemProblem(0xef53), undefined, "ext4");
});

test("more connections than files may be open, and events beyond the memory, are told", () => {
  const env = { CONNECTIONS_MAX: "1000000", EVENT_RETENTION_BYTES: "1024GiB" };
  const told = problems(checkMachine(loadConfig({ env }), Date.now()));
  assert.match(told, /memory warning: EVENT_RETENTION_BYTES lets events take 1024\.0 GiB/);
  assert.doesNotMatch(problems(checkMachine(loadConfig({ env: {} }), Date.now())), /RETENTION/);
});

test("a key file that cannot be used, or has no key, is told, and no key of it", async (t) => {
  const file = join(temporaryDirectory(t), "keys.json");
  const look = async () => {
    const config = loadConfig({ env: { AUTH_KEYS_FILE: file } });
    return problems(await checkAuthentication(config, Date.now()));
  };
  writeFileSync(file, "hush");
  const broken = await look();
  assert.match(broken, /authentication failed: .*keys\.json/);
  assert.doesNotMatch(broken, /hush/);
  const made = join(temporaryDirectory(t), "keys.json");
  await runCli(t, ["keys", "create", "--file", made, "--name", "mine"]);
  writeFileSync(file, readFileSync(made));
  assert.equal(await look(), "");
  const later = Date.now() + 100;
  await runCli(t, ["keys", "create", "--file", file, "--name", "short", "--expires", "1h"]);
  const config = loadConfig({ env: { AUTH_KEYS_FILE: file } });
  const [both] = await checkAuthentication(config, later);
  assert.match(both?.detail ?? "", /2 keys that can be used, of 2/);
  const [one] = await checkAuthentication(config, later + 2 * 60 * 60 * 1_000);
  assert.match(one?.detail ?? "", /1 keys that can be used, of 2/);
});

test("an issuer that gives its keys is fine, one that does not is told", async (t) => {
  let status = 200;
  const issuer = createServer((_request, response) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end('{"keys":[]}');
  });
  await new Promise<void>((done) => issuer.listen(0, "127.0.0.1", done));
  t.after(() => issuer.close());
  const { port } = issuer.address() as AddressInfo;
  const AUTH_JWKS_URL = `http://127.0.0.1:${port}/keys`;
  const env = { AUTH_JWKS_URL, AUTH_ISSUER: "https://issuer.example", AUTH_AUDIENCE: "chatwire" };
  const look = async () => problems(await checkAuthentication(loadConfig({ env }), Date.now()));
  assert.equal(await look(), "");
  status = 503;
  assert.match(await look(), /authentication failed: the keys of .*status 503/);
});
