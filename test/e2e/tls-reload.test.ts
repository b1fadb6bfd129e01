import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nextCertificate, testCertificate } from "../support/certificate.ts";
import { connectLane, type Lane, lanes } from "../support/lanes.ts";
import { connectTls } from "../support/listener.ts";
import { temporaryFolder } from "../support/programs.ts";
import { startServer } from "../support/server-process.ts";
import { openStreamChat } from "../support/stream-call.ts";
import { words } from "../support/turn-checks.ts";
import { replyOf } from "../support/wire.ts";

const tlsLanes = lanes.filter(({ tls, json, protocol, httpVersion }) => {
  return tls && !json && (protocol === "grpc" || httpVersion === "1.1");
}) as [Lane, ...Lane[]];

test("SIGHUP takes new certificates into use, and streams go on", async (t) => {
  const folder = temporaryFolder(t);
  const env = {
    TLS_CERT_FILE: join(folder, "tls.crt"),
    TLS_KEY_FILE: join(folder, "tls.key"),
    ELIZA_WORDS_PER_SECOND: "0",
  };
  const write = ({ cert, key }: { cert: string; key: string }) => {
    writeFileSync(env.TLS_CERT_FILE, cert);
    writeFileSync(env.TLS_KEY_FILE, key);
  };
  write(testCertificate);
  const server = await startServer(t, { env });
  const calls = tlsLanes.map((lane) => {
    const { chat } = connectLane(server, lane);
    return openStreamChat(chat, { message: "Hi", modelId: "scripted:100x20" });
  });
  for (const call of calls) await call.first(({ chunkNumber }) => chunkNumber === 1);

  write({ ...nextCertificate, key: testCertificate.key });
  server.kill("SIGHUP");
  await server.until(/TLS files cannot be used/);
  (await connectTls(t, server.port)).destroy();
  write(nextCertificate);
  server.kill("SIGHUP");
  await server.until(/new TLS certificate in use/);
  await assert.rejects(connectTls(t, server.port), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  (await connectTls(t, server.port, { ca: nextCertificate.cert })).destroy();

  for (const call of calls) {
    assert.equal(await call.ended, undefined);
    assert.equal(replyOf(call.events), words(100));
  }
  server.kill("SIGTERM");
  const { code, stdout, stderr } = await server.result();
  assert.equal(code, 0);
  assert.doesNotMatch(stdout + stderr, /PRIVATE KEY/);
});
