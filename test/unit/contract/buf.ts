import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../..", import.meta.url));

export type BufResult = { exitCode: number; stdout: Buffer; stderr: string };

/** Runs the buf of our own dependencies, with its plugins, in `cwd`. A failed check is a result, not an error. */
export function buf(args: readonly string[], cwd: string = root): Promise<BufResult> {
  const modules = join(root, "node_modules");
  const command = [join(modules, "@bufbuild", "buf", "bin", "buf"), ...args];
  const PATH = [join(modules, ".bin"), process.env.PATH].join(delimiter);
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      command,
      { cwd, env: { ...process.env, PATH }, encoding: "buffer", maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const exitCode = error === null ? 0 : error.code;
        if (typeof exitCode !== "number") return reject(error);
        resolve({ exitCode, stdout, stderr: stderr.toString("utf8") });
      },
    );
  });
}
