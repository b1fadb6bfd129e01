import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { readCertificates } from "./certificates.ts";
import type { ListenerLog, TlsFiles } from "./options.ts";

/** TLS_CERT_FILE, TLS_KEY_FILE and TLS_CLIENT_CA_FILE. */
export type TlsPaths = { certFile: string; keyFile: string; clientCaFile?: string | undefined };

/** Reads them as they are now. Throws the system's error when one cannot be read. */
export function readTlsFiles({ certFile, keyFile, clientCaFile }: TlsPaths): TlsFiles {
  const files = { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  return clientCaFile !== undefined
    ? { ...files, clientCa: readFileSync(clientCaFile, "utf8") }
    : files;
}

export type TlsFilesWatchOptions = {
  paths: TlsPaths;
  /** What the listener uses now. */
  current: TlsFiles;
  /** The listener's `setTls`: takes the new files, or throws and keeps the old ones. */
  apply: (files: TlsFiles) => void;
  log: ListenerLog;
  /** How often the files are looked at, in milliseconds. */
  intervalMs?: number;
};

export type TlsFilesWatch = {
  /** Looks at once; resolves when what was found is in use or refused, and never rejects. */
  reload(): Promise<void>;
  /** Ends the watch. */
  close(): void;
};

/**
 * Applies certificates when their files change, as an ACME client or a mounted Kubernetes secret does it. The files
 * are read, not their times: a secret is a symlink that is swapped, which file watchers miss, and reading
 * three small files costs nothing. What cannot be used, or is half written, is logged once and looked at again.
 */
export function watchTlsFiles(options: TlsFilesWatchOptions): TlsFilesWatch {
  const { paths, apply, log, intervalMs = 10_000 } = options;
  /** Applied or refused last. */
  let seen = options.current;
  let complaint = "";
  let closed = false;
  let looking: Promise<void> = Promise.resolve();

  const look = async (): Promise<void> => {
    if (closed) return;
    try {
      const files = await readAll(paths);
      if (closed || isSame(files, seen)) return;
      seen = files;
      apply(files);
      complaint = "";
      const [{ subject, validTo, fingerprint256 }] = readCertificates(files.cert);
      log.info({ subject, validTo, fingerprint256 }, "new TLS certificate in use");
    } catch (error) {
      if (complaint === String(error)) return;
      complaint = String(error);
      log.error({ err: error, ...paths }, "TLS files cannot be used; those before stay in use");
    }
  };
  // One after the other, so that an older look never overtakes a newer one.
  const reload = (): Promise<void> => (looking = looking.then(look));
  const timer = setInterval(() => void reload(), intervalMs).unref();
  return {
    reload,
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

async function readAll({ certFile, keyFile, clientCaFile }: TlsPaths): Promise<TlsFiles> {
  const [cert, key, clientCa] = await Promise.all([
    readFile(certFile, "utf8"),
    readFile(keyFile, "utf8"),
    clientCaFile === undefined ? Promise.resolve(undefined) : readFile(clientCaFile, "utf8"),
  ]);
  return clientCa === undefined ? { cert, key } : { cert, key, clientCa };
}

function isSame(one: TlsFiles, other: TlsFiles): boolean {
  const same = (a?: string | Buffer, b?: string | Buffer) => a?.toString() === b?.toString();
  return (
    same(one.cert, other.cert) && same(one.key, other.key) && same(one.clientCa, other.clientCa)
  );
}
