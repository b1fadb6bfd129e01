import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { createListener } from "../../../src/listener/listener.ts";
import { testCertificate } from "../../support/certificate.ts";
import { frame, frameTypes, http2Preface, requestHeaders } from "../../support/http2-frames.ts";
import {
  answerOk,
  connectHttp2,
  connectTcp,
  connectTls,
  readAll,
  readUntil,
  requestHttp2,
  silentLog,
  startListener,
  until,
} from "../../support/listener.ts";

const http1Request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const http2Request = Buffer.concat([http2Preface, frame(frameTypes.settings), requestHeaders(1)]);

test("chooses the HTTP version by ALPN", async (t) => {
  const { port, urls } = await startListener(t, { tls: testCertificate });
  assert.deepEqual(urls, [`https://127.0.0.1:${port}`]);
  const session = connectHttp2(t, `https://127.0.0.1:${port}`);
  assert.deepEqual(await requestHttp2(session, "/", "body"), { status: 200, body: "ok 2.0" });
  assert.equal(session.alpnProtocol, "h2");
  const http1 = await connectTls(t, port, { ALPNProtocols: ["http/1.1"] });
  http1.write(http1Request);
  assert.match(await readAll(http1), /^HTTP\/1\.1 200 [\s\S]*ok 1\.1$/m);
});

test("looks at the first bytes of a TLS client without ALPN", async (t) => {
  const { port } = await startListener(t, { tls: testCertificate });
  const http1 = await connectTls(t, port);
  http1.write(http1Request);
  assert.match(await readAll(http1), /^HTTP\/1\.1 200 /);
  const http2 = await connectTls(t, port);
  http2.write(http2Request);
  await readUntil(http2, "ok 2.0");
});

test("tells a plaintext client of either version that the port speaks TLS", async (t) => {
  const { port } = await startListener(t, { tls: testCertificate });
  for (const request of [http1Request, http2Request]) {
    const socket = await connectTcp(t, port);
    socket.write(request);
    assert.match(
      await readAll(socket),
      /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*This port speaks TLS/,
    );
  }
});

test("does not reset the answer away while a plaintext client still sends its body", async (t) => {
  const { port } = await startListener(t, { tls: testCertificate });
  const socket = await connectTcp(t, port);
  const errors: Error[] = [];
  socket.on("error", (error) => errors.push(error));
  const answer = readAll(socket);
  socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\n");
  socket.write(Buffer.alloc(8_000_000));
  assert.match(await answer, /This port speaks TLS/);
  assert.deepEqual(errors, []);
});

test("speaks TLS 1.2 and 1.3, nothing older, and no cipher that HTTP/2 forbids", async (t) => {
  const { port } = await startListener(t, { tls: testCertificate });
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const socket = await connectTls(t, port, { minVersion: version, maxVersion: version });
    assert.equal(socket.getProtocol(), version);
  }
  const refused = [
    { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" },
    { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES256-SHA" },
  ] as const;
  for (const options of refused) await assert.rejects(connectTls(t, port, options));
});

test("cuts a TLS handshake that stalls or is broken, and a client that is silent after it", async (t) => {
  const { port, listener } = await startListener(t, {
    tls: testCertificate,
    timeouts: { handshakeTimeoutMs: 50 },
  });
  const stalled = await connectTcp(t, port);
  stalled.write(Buffer.from([0x16, 3, 1]));
  await readAll(stalled);
  const broken = await connectTcp(t, port);
  broken.write(Buffer.concat([Buffer.from([0x16, 3, 1, 0, 64]), Buffer.alloc(64, 0xff)]));
  await readAll(broken);
  await until(() => listener.connections().sockets === 0);

  const patient = await startListener(t, {
    tls: testCertificate,
    timeouts: { sniffTimeoutMs: 50 },
  });
  const silent = await connectTls(t, patient.port, { ALPNProtocols: ["h2"] });
  await readAll(silent);
  await until(() => patient.listener.connections().sockets === 0);
});

test("survives resets in the handshake and after it", async (t) => {
  const { port, listener } = await startListener(t, { tls: testCertificate });
  const shaking = await connectTcp(t, port);
  shaking.write(Buffer.from([0x16, 3, 1]));
  await until(() => listener.connections().sockets === 1);
  shaking.resetAndDestroy();
  for (const request of ["", http1Request.slice(0, 10), http2Request]) {
    const tcp = await connectTcp(t, port);
    const secure = await connectTls(t, port, { socket: tcp });
    if (request !== "") secure.write(request);
    tcp.resetAndDestroy();
  }
  await until(() => listener.connections().sockets === 0);
  const session = connectHttp2(t, `https://127.0.0.1:${port}`);
  assert.equal((await requestHttp2(session, "/")).status, 200);
});

test("refuses at once a certificate that cannot be used", () => {
  const tls = { cert: "no certificate", key: testCertificate.key };
  assert.throws(() => createListener({ handler: answerOk, log: silentLog(), tls }));
});

test("tells the handler that the connection is encrypted, in both versions", async (t) => {
  const seen: boolean[] = [];
  const { port } = await startListener(t, {
    tls: testCertificate,
    handler: (request, response) => {
      seen.push("encrypted" in request.socket && request.socket.encrypted === true);
      response.end();
    },
  });
  const http1 = await connectTls(t, port, { ALPNProtocols: ["http/1.1"] });
  http1.write(http1Request);
  await readAll(http1);
  const session = connectHttp2(t, `https://127.0.0.1:${port}`);
  await requestHttp2(session, "/");
  assert.deepEqual(seen, [true, true]);
  session.close();
  await once(session, "close");
});
