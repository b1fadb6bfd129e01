/**
 * Adds to package-lock.json the optional packages of other platforms that npm left out because the registry
 * in use did not have them; without them `npm ci` refuses the lock file. Run it after each change of a
 * dependency: `npm run lockfile`.
 */
import { readFileSync, writeFileSync } from "node:fs";

type Entry = {
  version?: string;
  dev?: boolean;
  license?: string;
  optionalDependencies?: Record<string, string>;
};

const path = new URL("../package-lock.json", import.meta.url);
const lock: { packages: Record<string, object> } = JSON.parse(readFileSync(path, "utf8"));

const systems = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const cpus = new Map([
  ...["arm64", "x64", "ia32", "ppc64", "riscv64", "s390x", "arm"].map((cpu) => [cpu, cpu] as const),
  ["armv7", "arm"] as const,
  ["aarch64", "arm64"] as const,
]);

for (const parent of Object.values<Entry>({ ...lock.packages })) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    lock.packages[`node_modules/${name}`] ??= platformEntry(name, version, parent);
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([one], [other]) => one.localeCompare(other, "en")),
);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);

/** What npm would have written, but for the checksum: the platform is in the package's name. */
function platformEntry(name: string, version: string, parent: Entry): object {
  const words = name.split("/").at(-1)?.split("-") ?? [];
  const os = words.find((word) => systems.includes(word));
  const cpu = words.map((word) => cpus.get(word)).find((found) => found !== undefined);
  if (!os || !cpu) throw new Error(`${name} names no platform`);
  const isMusl = words.some((word) => word.startsWith("musl"));
  const isGnu = words.some((word) => word.startsWith("gnu"));
  return {
    version,
    cpu: [cpu],
    ...(parent.dev && { dev: true }),
    ...(isMusl && { libc: ["musl"] }),
    ...(isGnu && { libc: ["glibc"] }),
    ...(parent.license && { license: parent.license }),
    optional: true,
    os: [os],
  };
}
