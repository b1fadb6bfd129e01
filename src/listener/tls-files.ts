import { readRegularFile, readRegularFileSync } from "../regular-file.ts";
import { readCertificates } from "./certificates.ts";
import { checkTlsFiles } from "./check-tls-files.ts";
import type { ListenerLog, TlsFiles } from "./options.ts";

/** TLS_CERT_FILE, TLS_KEY_FILE and TLS_CLIENT_CA_FILE. */
export type TlsPaths = { certFile: string; keyFile: string; clientCaFile?: string | undefined };

/** The largest that is read, bytes: a chain has a few KB, all the authorities of a browser 250. */
export const tlsFileBytesMax = 4 * 1024 * 1024;

/**
 * Reads them as they are now. Throws TlsFileError for what no handshake could use, NoRegularFileError, and the system's
 * error when one cannot be read.
 */
export function readTlsFiles(paths: TlsPaths): TlsFiles {
  const { certFile, keyFile, clientCaFile } = paths;
  const read = (path: string) => readRegularFileSync(path, tlsFileBytesMax);
  const files: TlsFiles = {
    cert: read(certFile),
    key: read(keyFile),
    ...(clientCaFile !== undefined && { clientCa: read(clientCaFile) }),
  };
  checkTlsFiles(files, paths);
  return files;
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
  /** Reads a file. */
  read?: (path: string) => Promise<string>;
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
 * three small files costs nothing. What cannot be used, or is half written, is logged once with the file and the reason,
 * and looked at again; so is a file system that does not answer, which is waited for.
 */
export function watchTlsFiles(options: TlsFilesWatchOptions): TlsFilesWatch {
  const { paths, apply, log, intervalMs = 10_000, read = readTlsFile } = options;
  /** Applied or refused last. */
  let seen = options.current;
  let complaint = "";
  let closed = false;
  let looking: Promise<void> = Promise.resolve();
  let looks = 0;

  const complain = (problem: string, err?: unknown): void => {
    if (complaint === problem || closed) return;
    complaint = problem;
    log.error({ problem, ...paths, err }, "TLS files cannot be used; those before stay in use");
  };

  const look = async (): Promise<void> => {
    if (closed) return;
    try {
      const files = await readAll(paths, read);
      if (closed || isSame(files, seen)) return;
      seen = files;
      checkTlsFiles(files, paths);
      apply(files);
      complaint = "";
      const [{ subject, validTo, fingerprint256 }] = readCertificates(files.cert);
      log.info({ subject, validTo, fingerprint256 }, "new TLS certificate in use");
    } catch (error) {
      complain((error as Error).message, error);
    }
  };
  // One after the other, so that an older look never overtakes a newer one.
  const reload = (): Promise<void> => {
    looks += 1;
    looking = looking.then(look).finally(() => {
      looks -= 1;
    });
    return looking;
  };
  const timer = setInterval(() => {
    if (looks > 0) complain(`reading them takes more than ${intervalMs / 1_000} s`);
    else void reload();
  }, intervalMs).unref();
  return {
    reload,
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

function readTlsFile(path: string): Promise<string> {
  return readRegularFile(path, tlsFileBytesMax);
}

async function readAll(
  { certFile, keyFile, clientCaFile }: TlsPaths,
  read: (path: string) => Promise<string>,
): Promise<TlsFiles> {
  const [cert, key, clientCa] = await Promise.all([
    read(certFile),
    read(keyFile),
    clientCaFile === undefined ? Promise.resolve(undefined) : read(clientCaFile),
  ]);
  return clientCa === undefined ? { cert, key } : { cert, key, clientCa };
}

function isSame(one: TlsFiles, other: TlsFiles): boolean {
  const same = (a?: string | Buffer, b?: string | Buffer) => a?.toString() === b?.toString();
  return (
    same(one.cert, other.cert) && same(one.key, other.key) && same(one.clientCa, other.clientCa)
  );
}
