import assert from "node:assert/strict";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { TlsFiles } from "../../../src/listener/options.ts";
import { readTlsFiles, watchTlsFiles } from "../../../src/listener/tls-files.ts";
import { clientCa, nextCertificate, testCertificate } from "../../support/certificate.ts";
import { until } from "../../support/listener.ts";
import { temporaryFolder } from "../../support/programs.ts";

type Pair = { cert: string; key: string };

/** A folder with the files, and a watch over them that looks only when it is told to. */
function startWatch(t: TestContext, apply?: (files: TlsFiles) => void) {
  const folder = temporaryFolder(t);
  const paths = { certFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key") };
  const write = ({ cert, key }: Pair) => {
    writeFileSync(paths.certFile, cert);
    writeFileSync(paths.keyFile, key);
  };
  write(testCertificate);
  const applied: TlsFiles[] = [];
  const errors: object[] = [];
  const infos: object[] = [];
  const watch = watchTlsFiles({
    paths,
    current: readTlsFiles(paths),
    apply: (files) => {
      apply?.(files);
      applied.push(files);
    },
    log: {
      debug: () => {},
      info: (details) => void infos.push(details),
      error: (details) => void errors.push(details),
    },
  });
  t.after(() => watch.close());
  return { folder, paths, write, watch, applied, errors, infos };
}

test("applies files that have changed, once, and says what is in use", async (t) => {
  const { write, watch, applied, errors, infos } = startWatch(t);
  await watch.reload();
  assert.equal(applied.length, 0, "nothing has changed");
  write(nextCertificate);
  await Promise.all([watch.reload(), watch.reload()]);
  assert.deepEqual(applied, [nextCertificate]);
  assert.equal(infos.length, 1);
  assert.match(JSON.stringify(infos[0]), /CN=localhost/);
  assert.doesNotMatch(JSON.stringify(infos), /PRIVATE KEY/);
  assert.deepEqual(errors, []);
});

test("looks by itself", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const { write, applied } = startWatch(t);
  write(nextCertificate);
  t.mock.timers.tick(9_999);
  assert.equal(applied.length, 0);
  t.mock.timers.tick(1);
  await until(() => applied.length === 1);
});

test("sees a mounted secret whose symlink is swapped", async (t) => {
  const folder = temporaryFolder(t);
  for (const [name, { cert, key }] of Object.entries({
    one: testCertificate,
    two: nextCertificate,
  })) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "tls.crt"), cert);
    writeFileSync(join(folder, name, "tls.key"), key);
    writeFileSync(join(folder, name, "ca.crt"), clientCa);
  }
  const link = join(folder, "..data");
  symlinkSync("one", link);
  const [certFile, keyFile, clientCaFile] = ["tls.crt", "tls.key", "ca.crt"].map((name) => {
    symlinkSync(join("..data", name), join(folder, name));
    return join(folder, name);
  }) as [string, string, string];
  const paths = { certFile, keyFile, clientCaFile };
  const applied: TlsFiles[] = [];
  const log = { debug: () => {}, info: () => {}, error: () => assert.fail() };
  const watch = watchTlsFiles({
    paths,
    current: readTlsFiles(paths),
    apply: (files) => void applied.push(files),
    log,
  });
  t.after(() => watch.close());
  symlinkSync("two", join(folder, "..next"));
  renameSync(join(folder, "..next"), link);
  await watch.reload();
  assert.deepEqual(applied, [{ ...nextCertificate, clientCa }]);
});

test("complains once about files that cannot be used, and takes the next that can", async (t) => {
  const { write, watch, applied, errors } = startWatch(t, ({ cert }) => {
    if (cert === "half") throw new Error("no certificate");
  });
  write({ cert: "half", key: "written" });
  await watch.reload();
  await watch.reload();
  assert.equal(errors.length, 1);
  assert.equal(applied.length, 0);
  write(nextCertificate);
  await watch.reload();
  assert.deepEqual(applied, [nextCertificate]);
  write({ cert: "half", key: "again" });
  await watch.reload();
  assert.equal(errors.length, 2, "what failed before may be told again after a success");
});

test("complains once while a file is gone, and goes on when it is back", async (t) => {
  const { folder, paths, write, watch, applied, errors } = startWatch(t);
  renameSync(paths.keyFile, join(folder, "away"));
  await watch.reload();
  await watch.reload();
  assert.equal(errors.length, 1);
  write(testCertificate);
  await watch.reload();
  assert.deepEqual(applied, [], "the same as before");
  write(nextCertificate);
  await watch.reload();
  assert.deepEqual(applied, [nextCertificate]);
});

test("does nothing more once it is closed", async (t) => {
  const { write, watch, applied } = startWatch(t);
  const looking = watch.reload();
  write(nextCertificate);
  watch.close();
  await looking;
  await watch.reload();
  assert.deepEqual(applied, []);
});
