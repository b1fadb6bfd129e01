import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { TlsFileError } from "../../../src/listener/check-tls-files.ts";
import type { TlsFiles } from "../../../src/listener/options.ts";
import {
  readTlsFiles,
  type TlsFilesWatchOptions,
  watchTlsFiles,
} from "../../../src/listener/tls-files.ts";
import { nextCertificate, testCertificate } from "../../support/certificate.ts";
import { fifoMissing, makeFifo } from "../../support/fifo.ts";
import { until } from "../../support/listener.ts";
import { temporaryFolder } from "../../support/programs.ts";

type Pair = { cert: string; key: string };

/** A watch over a certificate and its key that looks when it is told to, and what has come of it. */
function startWatch(t: TestContext, read?: TlsFilesWatchOptions["read"]) {
  const folder = temporaryFolder(t);
  const paths = { certFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key") };
  const write = ({ cert, key }: Pair) => {
    writeFileSync(paths.certFile, cert);
    writeFileSync(paths.keyFile, key);
  };
  write(testCertificate);
  const applied: TlsFiles[] = [];
  const problems: string[] = [];
  const watch = watchTlsFiles({
    paths,
    current: readTlsFiles(paths),
    apply: (files) => void applied.push(files),
    log: {
      debug: () => {},
      info: () => {},
      error: (details) => void problems.push(String((details as { problem?: string }).problem)),
    },
    ...(read && { read }),
  });
  t.after(() => watch.close());
  return { paths, write, watch, applied, problems };
}

const unusable = [
  {
    what: "a letter",
    pair: { cert: "dear hush", key: testCertificate.key },
    file: "certFile",
    why: /no PEM certificate/,
  },
  {
    what: "an empty certificate",
    pair: { cert: "", key: testCertificate.key },
    file: "certFile",
    why: /no PEM certificate/,
  },
  {
    what: "a torn certificate",
    pair: {
      cert: "-----BEGIN CERTIFICATE-----\nhush\n-----END CERTIFICATE-----\n",
      key: testCertificate.key,
    },
    file: "certFile",
    why: /cannot be read \(.+\)$/,
  },
  {
    what: "an empty key",
    pair: { cert: testCertificate.cert, key: "" },
    file: "keyFile",
    why: /no PEM private key/,
  },
  {
    what: "a key of another's",
    pair: { cert: testCertificate.cert, key: nextCertificate.key },
    file: "keyFile",
    why: /it is not the key of .*tls\.crt$/,
  },
] as const;

for (const { what, pair, file, why } of unusable) {
  test(`${what} is not used; which file it is and why is told, and nothing of it`, async (t) => {
    const { paths, write, watch, applied, problems } = startWatch(t);
    write(pair);
    await watch.reload();
    await watch.reload();
    assert.deepEqual(applied, []);
    assert.equal(problems.length, 1);
    const [problem = ""] = problems;
    assert.ok(problem.startsWith(`${paths[file]} cannot be used: `), problem);
    assert.match(problem, why);
    assert.doesNotMatch(problem, /hush/);
    assert.throws(() => readTlsFiles(paths), TlsFileError);
    write(nextCertificate);
    await watch.reload();
    assert.deepEqual(applied, [nextCertificate]);
  });
}

test("a named pipe is refused at the start, and later keeps no file after it from being seen", {
  skip: fifoMissing,
  timeout: 20_000,
}, async (t) => {
  const { paths, write, watch, applied, problems } = startWatch(t);
  rmSync(paths.keyFile);
  makeFifo(t, paths.keyFile);
  await watch.reload();
  assert.deepEqual(problems, [`${paths.keyFile} is not a file`]);
  assert.throws(() => readTlsFiles(paths), /tls\.key is not a file$/);
  rmSync(paths.keyFile);
  write(nextCertificate);
  await watch.reload();
  assert.deepEqual(applied, [nextCertificate]);
});

test("a file without end is not read to its end", async (t) => {
  const { paths, watch, problems } = startWatch(t);
  writeFileSync(paths.certFile, "x".repeat(4 * 1024 * 1024 + 1));
  await watch.reload();
  assert.deepEqual(problems, [`${paths.certFile} is too large`]);
  assert.throws(() => readTlsFiles(paths), /is too large$/);
});

test("a file system that does not answer is told once, and what it says at last counts", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const answered = Promise.withResolvers<void>();
  let reads = 0;
  const { write, applied, problems } = startWatch(t, async (path) => {
    reads += 1;
    await answered.promise;
    return readFile(path, "utf8");
  });
  write(nextCertificate);
  for (let look = 0; look < 4; look += 1) t.mock.timers.tick(10_000);
  await until(() => reads > 0);
  assert.equal(reads, 2, "one read of each file");
  assert.deepEqual(problems, ["reading them takes more than 10 s"]);
  answered.resolve();
  await until(() => applied.length === 1);
  assert.deepEqual(applied, [nextCertificate]);
});
