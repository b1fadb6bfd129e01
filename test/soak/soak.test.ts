import { test } from "node:test";
import { newSeed } from "../crash/random.ts";
import { temporaryFolder } from "../support/programs.ts";
import { soak } from "./soak.ts";

const sessions = 60;
const durationMs = 16_000;

test("a server that was used in every way holds what it held before", async (t) => {
  const seed = newSeed();
  const minutes = durationMs / 60_000;
  t.diagnostic(
    `node test/soak/run.ts --sessions ${sessions} --minutes ${minutes} --seed ${seed} repeats this`,
  );
  const onNews = (text: string) => t.diagnostic(text);
  await soak({ folder: temporaryFolder(t), sessions, durationMs, seed, onNews });
});
