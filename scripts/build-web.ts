import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = join(root, "web/dist");

/** What the page is made of; a change in any of it makes what was built stale. */
const sources = [
  "web/src",
  "web/public",
  "web/index.html",
  "web/vite.config.ts",
  "src/client",
  "src/gen",
  "package-lock.json",
];

/**
 * `node scripts/build-web.ts [--if-stale]`: builds the page into web/dist, with a compressed copy beside each
 * file that gains by it. Without Vite (`npm ci --omit=dev`) it only says so: the server works without a page.
 */
async function main(): Promise<void> {
  if (process.argv.includes("--if-stale") && !(await isStale())) return;
  const vite = await import("vite").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  });
  if (vite === undefined) {
    console.error("The browser client is not built: vite is not installed. `npm ci` brings it.");
    return;
  }
  await vite.build({ configFile: join(root, "web/vite.config.ts"), logLevel: "error" });
  const files = await filesIn(out);
  await Promise.all(files.map(compress));
}

async function isStale(): Promise<boolean> {
  const built = await changedAt(join(out, "index.html"));
  const times = await Promise.all(sources.map((source) => latestIn(join(root, source))));
  return Math.max(...times) > built;
}

/** When the file, or what is in the folder, was last changed, milliseconds; 0 where there is none. */
async function latestIn(path: string): Promise<number> {
  const files = await filesIn(path).catch(() => [path]);
  return Math.max(0, ...(await Promise.all(files.map(changedAt))));
}

async function changedAt(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

/** Smaller than this a copy saves nothing worth a file, bytes. */
const bytesMin = 1_024;
/** The best that brotli can takes ten times as long for 2 %. */
const brotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };

async function compress(path: string): Promise<void> {
  const content = await readFile(path);
  if (content.length < bytesMin) return;
  const [gz, br] = await Promise.all([
    promisify(gzip)(content, { level: 9 }),
    promisify(brotliCompress)(content, brotliOptions),
  ]);
  await Promise.all([writeFile(`${path}.gz`, gz), writeFile(`${path}.br`, br)]);
}

await main();
