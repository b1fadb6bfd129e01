import { createPrivateKey, type KeyObject, type X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import { isIP } from "node:net";
import { createSecureContext, getCACertificates } from "node:tls";
import { isLoopback } from "../config/loopback.ts";
import type { Config, TlsFiles } from "../config.ts";
import { readCertificates } from "../listener/certificates.ts";
import { tlsFileBytesMax } from "../listener/tls-files.ts";
import { readRegularFileSync } from "../regular-file.ts";
import { type Finding, reportOf } from "./finding.ts";

const { ok, warning, failed } = reportOf("certificate");
const dayMs = 24 * 60 * 60 * 1_000;
const renewDays = 30;

type Certificates = readonly [X509Certificate, ...X509Certificate[]];

/** Whether TLS_CERT_FILE and TLS_KEY_FILE fit together and will serve the clients, for a while yet. */
export function checkCertificates(config: Config, now: number): Finding[] {
  const { tls } = config;
  if (!tls) return [checkPlaintext(config)];
  const chain = readOr(tls.certFile, (pem) => readCertificates(pem));
  const key = readOr(tls.keyFile, (pem) => createPrivateKey(pem));
  const problems = [chain, key].filter(isFinding);
  if (isFinding(chain) || isFinding(key)) return [...problems, ...checkClientCa(tls, now)];
  const [leaf] = chain;
  const findings = [
    checkPair(tls, leaf, key),
    checkTimes(tls.certFile, chain, now),
    checkChain(tls.certFile, chain),
    checkNames(config, leaf),
  ];
  return [...findings, ...checkKeyMode(tls.keyFile), ...checkClientCa(tls, now)];
}

/** A proxy in front may speak TLS, from another machine too: nobody can tell from here. */
function checkPlaintext({ host, auth }: Config): Finding {
  if (isLoopback(host)) return ok("none: the port speaks plaintext");
  const what = auth ? "credentials and all that is said" : "all that is said";
  return warning(
    `none, and ${host} is reachable from other machines: ${what} can be read on the way`,
    "set TLS_CERT_FILE and TLS_KEY_FILE, unless a proxy speaks TLS and nobody else reaches the port",
  );
}

function isFinding(value: unknown): value is Finding {
  return typeof value === "object" && value !== null && "status" in value;
}

function readOr<Value>(path: string, parse: (pem: string) => Value): Value | Finding {
  try {
    return parse(readRegularFileSync(path, tlsFileBytesMax));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ERR_MISSING_PASSPHRASE" ? "it is encrypted" : message;
    return failed(`${path} cannot be used: ${why}`, "give it as PEM, unencrypted and readable");
  }
}

function checkPair(tls: TlsFiles, leaf: X509Certificate, privateKey: KeyObject): Finding {
  const { certFile, keyFile } = tls;
  if (!leaf.checkPrivateKey(privateKey)) {
    return failed(
      `${keyFile} is not the key of ${certFile}`,
      "the server's own certificate comes first in TLS_CERT_FILE; take the key that it was made with",
    );
  }
  try {
    const [cert, key] = [certFile, keyFile].map((file) => {
      return readRegularFileSync(file, tlsFileBytesMax);
    });
    createSecureContext({ cert, key });
    return ok(`${certFile} and its key fit together`);
  } catch (error) {
    const advice = "make a new one, with an ECDSA key or RSA of 2048 bits and more";
    return failed(`${certFile} cannot be served: ${(error as Error).message}`, advice);
  }
}

/** The whole chain has to be valid; what ends first counts. */
function checkTimes(file: string, chain: Certificates, now: number): Finding {
  const ends = Math.min(...chain.map(({ validToDate }) => validToDate.getTime()));
  const begins = Math.max(...chain.map(({ validFromDate }) => validFromDate.getTime()));
  const until = new Date(ends).toISOString().slice(0, 10);
  if (begins > now) return failed(`${file} is not valid yet`, "look at this machine's clock");
  if (ends <= now) return failed(`${file} has expired on ${until}`, "renew it");
  const days = Math.floor((ends - now) / dayMs);
  if (days < renewDays) return warning(`${file} expires in ${days} days, on ${until}`, "renew it");
  return ok(`valid until ${until}`);
}

function checkChain(file: string, chain: Certificates): Finding {
  const broken = chain.slice(1).findIndex((issuer, index) => {
    const issued = chain[index];
    return !issued?.checkIssued(issuer) || !issued.verify(issuer.publicKey);
  });
  if (broken >= 0) {
    return warning(
      `certificate ${broken + 2} of ${file} did not issue the one before it`,
      "put them in order: the server's own, its issuer, that one's issuer",
    );
  }
  const last = chain.at(-1) ?? chain[0];
  if (last.checkIssued(last)) {
    if (chain.length > 1) return ok("the chain is complete");
    return warning(
      `${file} signs itself`,
      "clients have to be given it; for others than your own get one from a certificate authority",
    );
  }
  if (isKnownIssuer(last)) return ok("the chain is complete");
  return warning(
    `the chain of ${file} ends below an issuer that is not known here: ${oneLine(last.issuer)}`,
    "append the intermediate certificates; where the authority is your own, clients have to be given it",
  );
}

function isKnownIssuer(certificate: X509Certificate): boolean {
  return getCACertificates("default").some((pem) => {
    const [root] = readCertificates(pem);
    return certificate.checkIssued(root) && certificate.verify(root.publicKey);
  });
}

function checkNames({ host, allowedHosts }: Config, leaf: X509Certificate): Finding {
  const isAny = host === "0.0.0.0" || /^[0:]+$/.test(host);
  const wanted = [...(isAny ? [] : [host]), ...allowedHosts];
  const missing = wanted.filter((name) => {
    return isIP(name) ? !leaf.checkIP(name) : !leaf.checkHost(name);
  });
  const names = oneLine(leaf.subjectAltName ?? "no names");
  if (missing.length === 0) return ok(`it is for ${names}`);
  return warning(
    `it is for ${names}, not for ${missing.join(", ")}`,
    "clients that use those names refuse it; have them added, or leave them out of HOST and ALLOWED_HOSTS",
  );
}

function checkKeyMode(file: string): Finding[] {
  if (process.platform === "win32" || (statSync(file).mode & 0o007) === 0) return [];
  return [warning(`${file} can be used by every account of this machine`, `chmod o-rwx ${file}`)];
}

function checkClientCa({ clientCaFile }: TlsFiles, now: number): Finding[] {
  if (clientCaFile === undefined) return [];
  const authorities = readOr(clientCaFile, (pem) => readCertificates(pem));
  return [isFinding(authorities) ? authorities : checkTimes(clientCaFile, authorities, now)];
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ", ");
}
