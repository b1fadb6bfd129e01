import assert from "node:assert/strict";
import http2 from "node:http2";
import { type TestContext, test } from "node:test";
import tls, { type ConnectionOptions } from "node:tls";
import { createListener } from "../../../src/listener/listener.ts";
import { type Peer, peerOf } from "../../../src/listener/peer.ts";
import {
  clientCa,
  clientCertificate,
  nextCertificate,
  testCertificate,
} from "../../support/certificate.ts";
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
const fingerprint = /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/;

/** A listener that keeps who called. */
async function startAsking(t: TestContext, files = { ...testCertificate, clientCa }) {
  const peers: Peer[] = [];
  const started = await startListener(t, {
    tls: files,
    handler: (request, response) => {
      peers.push(peerOf(request));
      answerOk(request, response);
    },
  });
  return { ...started, peers };
}

/** A call over HTTP/1.1 by TLS; the answer, or "" when the server would not have it. */
async function callTls(t: TestContext, port: number, options: ConnectionOptions): Promise<string> {
  const socket = tls.connect({ host: "127.0.0.1", port, ca: testCertificate.cert, ...options });
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  socket.write(http1Request);
  return readAll(socket);
}

test("tells who a client with a certificate is, by its URI, in both HTTP versions", async (t) => {
  const { port, peers } = await startAsking(t);
  const certificate = clientCertificate("billing");
  assert.match(await callTls(t, port, certificate), /ok 1\.1$/);
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    ca: testCertificate.cert,
    ...certificate,
  });
  t.after(() => session.destroy());
  await requestHttp2(session, "/");
  await requestHttp2(session, "/");
  assert.equal(peers.length, 3);
  for (const { address, encrypted, certificate } of peers) {
    assert.deepEqual([address, encrypted], ["127.0.0.1", true]);
    assert.equal(certificate?.subject, "URI:spiffe://example.org/billing");
    assert.match(certificate?.fingerprint256 ?? "", fingerprint);
    assert.ok((certificate?.validUntil ?? 0) > Date.UTC(2100, 0));
  }
});

test("takes the common name of a certificate without another", async (t) => {
  const { port, peers } = await startAsking(t);
  await callTls(t, port, clientCertificate("robot"));
  assert.deepEqual(
    peers.map(({ certificate }) => certificate?.subject),
    ["CN:robot"],
  );
});

test("lets no client in without a valid certificate of the CA, in TLS 1.2 and 1.3", async (t) => {
  const { port, listener, peers } = await startAsking(t);
  const versions = [{ maxVersion: "TLSv1.2" }, { minVersion: "TLSv1.3" }] as const;
  for (const version of versions) {
    assert.equal(await callTls(t, port, version), "");
    for (const name of ["stranger", "expired"] as const) {
      assert.equal(await callTls(t, port, { ...version, ...clientCertificate(name) }), "");
    }
    assert.match(await callTls(t, port, { ...version, ...clientCertificate("robot") }), /ok 1\.1$/);
  }
  assert.equal(peers.length, 2);
  await until(() => listener.connections().sockets === 0);
});

test("asks clients for nothing without a CA, and tells that there is no certificate", async (t) => {
  const peers: Peer[] = [];
  const { port } = await startListener(t, {
    handler: (request, response) => {
      peers.push(peerOf(request));
      answerOk(request, response);
    },
  });
  await requestHttp2(connectHttp2(t, `http://127.0.0.1:${port}`), "/");
  const socket = await connectTcp(t, port);
  socket.write(http1Request);
  await readAll(socket);
  assert.deepEqual(peers, Array(2).fill({ address: "127.0.0.1", encrypted: false }));
  const encrypted = await startListener(t, { tls: testCertificate, handler: answerOk });
  assert.match(await callTls(t, encrypted.port, clientCertificate("stranger")), /ok 1\.1$/);
});

test("gives new connections the new certificate and leaves the open ones alone", async (t) => {
  const { port, listener } = await startListener(t, { tls: testCertificate });
  const session = connectHttp2(t, `https://127.0.0.1:${port}`);
  await requestHttp2(session, "/");
  const kept = await connectTls(t, port, { ALPNProtocols: ["http/1.1"] });
  listener.setTls(nextCertificate);
  await assert.rejects(connectTls(t, port), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  const next = await connectTls(t, port, { ca: nextCertificate.cert });
  assert.equal(next.getProtocol(), "TLSv1.3");
  await assert.rejects(
    connectTls(t, port, { ca: nextCertificate.cert, maxVersion: "TLSv1.1" }),
    "the new context is as strict as the first",
  );
  assert.equal((await requestHttp2(session, "/")).status, 200);
  kept.write(http1Request);
  assert.match(await readAll(kept), /ok 1\.1$/);
});

test("keeps what it has when the new files cannot be used", async (t) => {
  const { port, listener } = await startListener(t, { tls: { ...testCertificate, clientCa } });
  const files = { ...testCertificate, clientCa };
  const bad = [
    { ...files, cert: nextCertificate.cert },
    { ...files, key: "no key" },
    { ...files, cert: "no certificate" },
    { ...files, clientCa: "no certificate" },
    testCertificate,
  ];
  for (const each of bad) {
    assert.throws(() => listener.setTls(each));
    assert.match(await callTls(t, port, clientCertificate("robot")), /ok 1\.1$/);
  }
  const plain = await startListener(t);
  assert.throws(() => plain.listener.setTls(testCertificate));
  assert.throws(() =>
    createListener({ handler: answerOk, log: silentLog(), tls: bad[3] as never }),
  );
});

test("with a new client CA nobody comes in whom the old one knew, by a resumed session either", async (t) => {
  const { port, listener } = await startAsking(t);
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    listener.setTls({ ...testCertificate, clientCa });
    const robot = { ...clientCertificate("robot"), minVersion: version, maxVersion: version };
    const first = tls.connect({ host: "127.0.0.1", port, ca: testCertificate.cert, ...robot });
    t.after(() => first.destroy());
    let session: Buffer | undefined;
    first.on("session", (ticket) => {
      session = ticket;
    });
    first.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await readUntil(first, "ok 1.1");
    assert.ok(session);
    const resumed = await connectTls(t, port, { ...robot, session });
    assert.ok(resumed.isSessionReused(), `${version} resumes`);
    resumed.destroy();
    first.destroy();
    listener.setTls({ ...testCertificate, clientCa: clientCertificate("stranger").cert });
    assert.equal(await callTls(t, port, { ...robot, session }), "");
    assert.match(await callTls(t, port, clientCertificate("stranger")), /ok 1\.1$/);
  }
});
