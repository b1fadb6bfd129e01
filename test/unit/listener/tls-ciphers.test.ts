import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import tls, { type SecureVersion } from "node:tls";
import { testCertificate } from "../../support/certificate.ts";
import { connectTls, startListener } from "../../support/listener.ts";
import { requireProgram, temporaryFolder } from "../../support/programs.ts";

const skip = requireProgram("openssl", ["version"]);

/** RFC 9113 appendix A forbids all others of TLS 1.2 over HTTP/2: these are forward secret and authenticated. */
const wanted = {
  ecdsa: [
    "ecdhe-ecdsa-aes128-gcm-sha256",
    "ecdhe-ecdsa-aes256-gcm-sha384",
    "ecdhe-ecdsa-chacha20-poly1305",
  ],
  rsa: [
    "ecdhe-rsa-aes128-gcm-sha256",
    "ecdhe-rsa-aes256-gcm-sha384",
    "ecdhe-rsa-chacha20-poly1305",
  ],
};

/** All that OpenSSL knows for TLS 1.2 and before; those of TLS 1.3 are all good. */
const known = tls.getCiphers().filter((name) => !name.startsWith("tls_"));

/** A certificate with a key of RSA, as most have. */
function createRsaCertificate(t: TestContext): { cert: string; key: string } {
  const folder = temporaryFolder(t);
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const kind = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
  const names = ["-addext", "subjectAltName=IP:127.0.0.1"];
  const files = ["-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", ...kind, ...names, ...files], { stdio: "ignore" });
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
}

/** Those of the ciphers with which a client comes in that offers one alone, however weak it is. */
async function acceptedBy(
  t: TestContext,
  certificate: { cert: string; key: string },
  maxVersion: SecureVersion,
): Promise<string[]> {
  const { port } = await startListener(t, { tls: certificate });
  const accepted: string[] = [];
  for (const name of known) {
    const ciphers = `${name.toUpperCase()}:@SECLEVEL=0`;
    const options = { ca: certificate.cert, ciphers, minVersion: "TLSv1", maxVersion } as const;
    const socket = await connectTls(t, port, options).catch(() => undefined);
    if (socket) accepted.push(name);
    socket?.destroy();
  }
  return accepted.toSorted();
}

test("of the ciphers of TLS 1.2 only those that HTTP/2 allows are served, for either kind of key", {
  skip,
}, async (t) => {
  const certificates = { ecdsa: testCertificate, rsa: createRsaCertificate(t) };
  assert.ok(known.length > 30);
  for (const kind of ["ecdsa", "rsa"] as const) {
    assert.deepEqual(await acceptedBy(t, certificates[kind], "TLSv1.2"), wanted[kind]);
    assert.deepEqual(await acceptedBy(t, certificates[kind], "TLSv1.1"), [], "nothing before 1.2");
  }
});
