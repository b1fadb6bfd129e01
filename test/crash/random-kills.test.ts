import { test } from "node:test";
import { temporaryFolder } from "../support/programs.ts";
import { newSeed } from "./random.ts";
import { runRounds } from "./rounds.ts";

const rounds = 5;

test(`${rounds} kills under 50 clients lose nothing, repeat nothing, and run no model twice`, async (t) => {
  const seed = newSeed();
  t.diagnostic(`node test/crash/run.ts --rounds ${rounds} --seed ${seed} repeats this`);
  const onRound = (text: string) => t.diagnostic(text);
  await runRounds({ folder: temporaryFolder(t), rounds, seed, onRound });
});
