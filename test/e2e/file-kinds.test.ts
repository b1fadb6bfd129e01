import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { callJson } from "../support/app.ts";
import { testCertificate } from "../support/certificate.ts";
import { fifoMissing, makeFifo } from "../support/fifo.ts";
import { createTestKey, writeKeys } from "../support/keys.ts";
import { temporaryFolder } from "../support/programs.ts";
import { assertPlainWords, runServer, startServer } from "../support/server-process.ts";

test("a key is revoked, and a server ends, after a named pipe was in the place of the keys", {
  skip: fifoMissing,
  timeout: 60_000,
}, async (t) => {
  const path = join(temporaryFolder(t), "keys.json");
  const key = createTestKey();
  writeKeys(path, [key.entry]);
  const server = await startServer(t, { env: { AUTH_KEYS_FILE: path } });
  const headers = { authorization: `Bearer ${key.text}` };
  const ask = async () => (await callJson(server, "ListModels", {}, headers)).status;
  assert.equal(await ask(), 200);
  rmSync(path);
  makeFifo(t, path);
  await server.until(/keys\.json is not a file; the keys read before go on to count/);
  assert.equal(await ask(), 200);
  rmSync(path);
  writeKeys(path, [{ ...key.entry, revokedAt: "2026-01-02T00:00:00Z" }]);
  await server.until(/AUTH_KEYS_FILE was read again/);
  assert.equal(await ask(), 401);
  server.kill("SIGTERM");
  assert.equal((await server.result()).code, 0);
});

test("a certificate that cannot be used keeps the server from starting, in words, its file named", async (t) => {
  const folder = temporaryFolder(t);
  const env = { TLS_CERT_FILE: join(folder, "tls.crt"), TLS_KEY_FILE: join(folder, "tls.key") };
  writeFileSync(env.TLS_KEY_FILE, testCertificate.key);
  for (const text of ["", "a letter, hush"]) {
    writeFileSync(env.TLS_CERT_FILE, text);
    const { code, stderr } = await runServer(t, { env });
    assert.equal(code, 1);
    assert.match(stderr, /cannot start: .*tls\.crt cannot be used: .*no PEM certificate/);
    assert.doesNotMatch(stderr, /hush/);
    assertPlainWords(stderr);
  }
});
