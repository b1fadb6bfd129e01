// `npm run test:soak -- --minutes 10 --sessions 500 --seed 1`: uses a server in every way, and looks what it
// holds afterwards.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { newSeed } from "../crash/random.ts";
import { soak } from "./soak.ts";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    sessions: { type: "string", default: "500" },
    seed: { type: "string", default: String(newSeed()) },
  },
});
const minutes = Number(flags.minutes);
const sessions = Number(flags.sessions);
const seed = Number(flags.seed);
if (!(minutes > 0)) throw new Error("--minutes is more than 0");
if (!(Number.isInteger(sessions) && sessions > 0)) throw new Error("--sessions is a number from 1");
if (!Number.isInteger(seed)) throw new Error("--seed is a whole number");

console.log(`--minutes ${minutes} --sessions ${sessions} --seed ${seed}`);
const folder = mkdtempSync(join(tmpdir(), "chatwire-soak-"));
try {
  const onNews = (text: string) => console.log(text);
  await soak({ folder, sessions, durationMs: minutes * 60_000, seed, onNews });
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
