import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../../src/config.ts";
import { checkCertificates } from "../../../src/doctor/check-certificates.ts";
import type { Finding } from "../../../src/doctor/finding.ts";
import {
  clientCa,
  clientCertificate,
  nextCertificate,
  testCertificate,
} from "../../support/certificate.ts";
import { temporaryDirectory } from "./run-cli.ts";

const dayMs = 24 * 60 * 60 * 1_000;
const billing = clientCertificate("billing");
const expired = clientCertificate("expired");

type Pair = { cert: string; key: string; mode?: number; env?: Record<string, string> };

function look(t: TestContext, { cert, key, mode = 0o600, env = {} }: Pair, now = Date.now()) {
  const folder = temporaryDirectory(t);
  const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key);
  chmodSync(keyFile, mode);
  const config = loadConfig({
    env: { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, ...env },
  });
  return checkCertificates(config, now);
}

function problems(findings: readonly Finding[]): string {
  const told = findings.filter(({ status }) => status !== "ok");
  for (const { advice } of told) assert.notEqual(advice, "");
  return told.map(({ status, detail }) => `${status}: ${detail}`).join("\n");
}

test("a complete chain that covers its names is fine", (t) => {
  const found = look(t, { ...billing, cert: billing.cert + clientCa });
  assert.match(problems(found), /^warning: it is for .*, not for localhost$/);
  const own = problems(look(t, testCertificate));
  assert.match(own, /^warning: .*cert\.pem signs itself$/);
});

test("plaintext needs no certificate", () => {
  const found = checkCertificates(loadConfig({ env: {} }), Date.now());
  assert.deepEqual(problems(found), "");
});

test("a certificate that has expired, expires soon, or is not valid yet is told", (t) => {
  assert.match(
    problems(look(t, { ...expired, cert: expired.cert + clientCa })),
    /failed: .* has expired on \d{4}-/,
  );
  const valid = (days: number) => {
    const ends = Date.parse(validTo(testCertificate.cert));
    return problems(look(t, testCertificate, ends - days * dayMs));
  };
  assert.match(valid(-1), /failed: .* has expired/);
  assert.match(valid(29.5), /warning: .* expires in 29 days/);
  assert.doesNotMatch(valid(31), /expires|expired/);
  assert.match(problems(look(t, testCertificate, Date.UTC(2000, 0))), /failed: .* not valid yet/);
});

test("the key of another certificate, and what is no PEM, are told", (t) => {
  const mixed = { cert: testCertificate.cert, key: nextCertificate.key };
  assert.match(problems(look(t, mixed)), /failed: .*key\.pem is not the key of .*cert\.pem/);
  const none = problems(look(t, { cert: "a letter", key: "another" }));
  assert.match(none, /failed: .*cert\.pem cannot be used/);
  assert.match(none, /failed: .*key\.pem cannot be used/);
  assert.doesNotMatch(none, /another|letter/);
});

test("a chain without its issuer, and one out of order, are told", (t) => {
  assert.match(problems(look(t, billing)), /warning: the chain of .* ends below an issuer/);
  const disordered = { ...billing, cert: billing.cert + testCertificate.cert + clientCa };
  assert.match(problems(look(t, disordered)), /warning: certificate 2 of .* did not issue/);
});

test("names that clients use and the certificate lacks are told", (t) => {
  const env = { ALLOWED_HOSTS: "localhost,chat.example.org", HOST: "127.0.0.1" };
  const told = problems(look(t, { ...testCertificate, env }));
  assert.match(told, /not for chat\.example\.org$/m);
});

test("a key that everybody can read is told", { skip: process.platform === "win32" }, (t) => {
  const told = problems(look(t, { ...testCertificate, mode: 0o644 }));
  assert.match(told, /warning: .*key\.pem can be used by every account/);
});

test("the authority of the clients is looked at, too", (t) => {
  const folder = temporaryDirectory(t);
  const file = join(folder, "ca.pem");
  writeFileSync(file, "none");
  const env = { TLS_CLIENT_CA_FILE: file };
  assert.match(problems(look(t, { ...testCertificate, env })), /failed: .*ca\.pem cannot be used/);
  writeFileSync(file, clientCa);
  assert.doesNotMatch(problems(look(t, { ...testCertificate, env })), /ca\.pem/);
});

function validTo(pem: string): string {
  return new X509Certificate(pem).validTo;
}
