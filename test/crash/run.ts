// `npm run test:crash -- --rounds 200 --seed 1`: kills the server under 50 clients at random moments.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { newSeed } from "./random.ts";
import { runRounds } from "./rounds.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "20" },
    seed: { type: "string", default: String(newSeed()) },
  },
});
const rounds = Number(flags.rounds);
const seed = Number(flags.seed);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error("--rounds is a whole number from 1");
if (!Number.isInteger(seed)) throw new Error("--seed is a whole number");

console.log(`--rounds ${rounds} --seed ${seed}`);
const folder = mkdtempSync(join(tmpdir(), "chatwire-crash-"));
try {
  await runRounds({ folder, rounds, seed, onRound: (text) => console.log(text) });
  rmSync(folder, { recursive: true, force: true });
} catch (error) {
  console.error(error);
  console.error(`failed with --seed ${seed}; the database is kept in ${folder}`);
  process.exitCode = 1;
}
