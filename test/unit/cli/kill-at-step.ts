// Kills this process before the n-th of the steps that change names or wait for the disk:
//   KILL_AT=3 node --import ./kill-at-step.ts …
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const killAt = Number(process.env.KILL_AT);
let steps = 0;

for (const name of ["linkSync", "renameSync", "rmSync", "fsyncSync"] as const) {
  const original = fs[name] as (...args: unknown[]) => unknown;
  const stepped = (...args: unknown[]) => {
    const changesNothing = name === "rmSync" && !fs.existsSync(String(args[0]));
    if (!changesNothing) steps += 1;
    if (!changesNothing && steps === killAt) process.kill(process.pid, "SIGKILL");
    return original(...args);
  };
  Object.assign(fs, { [name]: stepped });
}
syncBuiltinESMExports();
