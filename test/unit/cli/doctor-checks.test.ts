import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../../src/config.ts";
import { checkCertificates } from "../../../src/doctor/check-certificates.ts";
import { checkCollector } from "../../../src/doctor/check-collector.ts";
import { checkPort } from "../../../src/doctor/check-port.ts";
import { diagnose } from "../../../src/doctor/diagnose.ts";
import type { Finding } from "../../../src/doctor/finding.ts";
import { startApp } from "../../support/app.ts";
import { fifoMissing, makeFifo } from "../../support/fifo.ts";
import { temporaryDirectory } from "./run-cli.ts";

function lines(findings: readonly Finding[]): string {
  for (const { status, advice } of findings) assert.equal(advice === "", status === "ok");
  return findings.map(({ check, status, detail }) => `${check} ${status}: ${detail}`).join("\n");
}

async function startHttp(t: TestContext, status: number): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(request.url === "/v1/traces" ? status : 404).end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("the port of another chatwire is told, unless that one may have the database", async (t) => {
  const { port } = await startApp(t);
  const config = loadConfig({ env: { PORT: String(port) } });
  const look = async (holder?: { url: string }) => lines([await checkPort(config, holder)]);
  assert.match(
    await look(),
    /^port failed: another chatwire, with another database, has localhost/,
  );
  assert.match(await look({ url: "http://localhost:1" }), /^port failed: another chatwire/);
  assert.match(await look({ url: `http://localhost:${port}` }), /^port ok: chatwire answers/);
  assert.match(await look({ url: "" }), /^port ok: chatwire answers/);
});

test("a free port is of no use while a server elsewhere has the database", async () => {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  const config = loadConfig({ env: { PORT: String(port), HOST: "127.0.0.1" } });
  const look = async (holder?: { url: string }) => lines([await checkPort(config, holder)]);
  assert.match(await look(), /^port ok: .* is free$/);
  const told = await look({ url: "http://localhost:1" });
  assert.match(told, /^port failed: .* is free, but http:\/\/localhost:1 has the database$/);
});

test("credentials in plaintext are told where other machines reach the port, and nowhere else", () => {
  const look = (env: Record<string, string>) =>
    lines(
      checkCertificates(loadConfig({ env: { AUTH_KEYS_FILE: "keys.json", ...env } }), Date.now()),
    );
  assert.match(
    look({ HOST: "0.0.0.0" }),
    /^certificate warning: none, .* credentials .* on the way$/,
  );
  assert.match(look({ HOST: "localhost" }), /^certificate ok/);
  const anonymous = { HOST: "::", ALLOW_ANONYMOUS: "1", AUTH_KEYS_FILE: "" };
  assert.match(look(anonymous), /^certificate warning: none, .*: all that is said can be read/);
});

test("a collector that is away, or refuses traces, is told", async (t) => {
  const look = async (endpoint: string) =>
    lines(await checkCollector(loadConfig({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } })));
  assert.match(await look(await startHttp(t, 200)), /^traces ok: .*\/v1\/traces takes them$/);
  assert.match(await look(await startHttp(t, 401)), /^traces ok: .* wants a credential$/);
  assert.match(await look(await startHttp(t, 500)), /^traces failed: .* status 500$/);
  assert.match(await look(`${await startHttp(t, 200)}/no`), /^traces failed: .* status 404$/);
  assert.match(await look("http://127.0.0.1:1"), /^traces failed: .*cannot be reached/);
  assert.deepEqual(await checkCollector(loadConfig({ env: {} })), []);
});

test("a setting that is wrong keeps nothing from being checked that does not go by it", async (t) => {
  const folder = temporaryDirectory(t);
  const flags = {
    port: "0",
    databaseUrl: `sqlite:${join(folder, "chatwire.db")}`,
    otelExporterOtlpEndpoint: "http://127.0.0.1:1",
  };
  const checked = async (wrong: Record<string, string>) => {
    const findings = await diagnose({ ...flags, ...wrong });
    const [first] = findings;
    assert.deepEqual([first?.check, first?.status], ["configuration", "failed"]);
    return [...new Set(findings.map(({ check }) => check))];
  };
  const every = ["configuration", "database", "disk", "port", "model eliza", "certificate"];
  every.push("authentication", "traces", "clock", "open files", "memory");
  const without = (...missing: string[]) => every.filter((check) => !missing.includes(check));
  const none = join(folder, "none.json");
  assert.deepEqual(await checked({ authKeysFile: none }), every);
  assert.deepEqual(await checked({ heartbeatMs: "soon" }), every);
  assert.deepEqual(await checked({ port: "none" }), without("port"));
  assert.deepEqual(await checked({ tlsCertFile: none }), without("certificate"));
  assert.deepEqual(await checked({ databaseUrl: "x" }), without("database", "disk"));
  assert.deepEqual(await checked({ authIssuer: "https://a" }), without("authentication"));
  assert.deepEqual(await checked({ connectionsMax: "x" }), without("open files", "memory"));
});

test("a named pipe in the place of a file is told, and not waited for", {
  skip: fifoMissing,
  timeout: 60_000,
}, async (t) => {
  const folder = temporaryDirectory(t);
  const pipe = join(folder, "pipe");
  makeFifo(t, pipe);
  const flags = { port: "0", authKeysFile: pipe, tlsCertFile: pipe, tlsKeyFile: pipe };
  const told = lines(await diagnose({ ...flags, databaseUrl: `sqlite:${pipe}` }));
  assert.match(told, /^database failed: .*pipe is no regular file$/m);
  assert.match(told, /^certificate failed: .*pipe is not a file$/m);
  assert.match(told, /^authentication failed: .*pipe is not a file$/m);
});
