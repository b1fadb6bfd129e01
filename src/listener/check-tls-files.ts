import { createPrivateKey, type KeyObject, type X509Certificate } from "node:crypto";
import { readCertificates } from "./certificates.ts";
import type { TlsFiles } from "./options.ts";
import type { TlsPaths } from "./tls-files.ts";

/** A TLS file that cannot be used. The message names it and says why, and repeats nothing that is in it. */
export class TlsFileError extends Error {
  override readonly name = "TlsFileError";
  readonly path: string;

  constructor(path: string, why: string, options?: ErrorOptions) {
    super(`${path} cannot be used: ${why}`, options);
    this.path = path;
  }
}

/**
 * Throws TlsFileError for the first file that no handshake could use. OpenSSL would not do: it takes text without a
 * certificate for none, and its words do not say which file it means.
 */
export function checkTlsFiles({ cert, key, clientCa }: TlsFiles, paths: TlsPaths): void {
  const [leaf] = certificatesIn(paths.certFile, cert);
  if (!leaf.checkPrivateKey(privateKeyIn(paths.keyFile, key))) {
    throw new TlsFileError(paths.keyFile, `it is not the key of ${paths.certFile}`);
  }
  if (clientCa !== undefined) certificatesIn(paths.clientCaFile ?? "", clientCa);
}

type Pem = string | Buffer;

function certificatesIn(path: string, pem: Pem): [X509Certificate, ...X509Certificate[]] {
  try {
    return readCertificates(pem);
  } catch (cause) {
    const { reason, message } = cause as Error & { reason?: string };
    const why = reason === undefined ? message : `a certificate in it cannot be read (${reason})`;
    throw new TlsFileError(path, why, { cause });
  }
}

function privateKeyIn(path: string, pem: Pem): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    const isEncrypted = (cause as NodeJS.ErrnoException).code === "ERR_MISSING_PASSPHRASE";
    const why = isEncrypted ? "it is encrypted" : "there is no PEM private key in it";
    throw new TlsFileError(path, why, { cause });
  }
}
