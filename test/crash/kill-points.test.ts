import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { killAfter, temporaryFolder } from "../support/programs.ts";
import { checkAftermath } from "./aftermath.ts";
import { type Entry, entriesOf, readJournal } from "./journal.ts";

const script = fileURLToPath(new URL("./killed.ts", import.meta.url));

/** Processes at once. */
const atOnce = 2;

test("a conversation that is killed at any step of its storage loses nothing", async (t) => {
  const folder = temporaryFolder(t);
  const { entries } = await run(t, join(folder, "whole"), { mode: "converse", killAt: 0 });
  const steps = entriesOf(entries, "step").map(({ name }) => name);
  assert.ok(steps.length > 100, `${steps.length} steps`);
  await eachAtOnce(steps, async (name, index) => {
    const killAt = index + 1;
    const home = join(folder, String(killAt));
    const killed = await run(t, home, { mode: "converse", killAt });
    assert.deepEqual(lastStep(killed.entries), { killAt, name }, "every run makes the same steps");
    await explain(`killed at step ${killAt}, ${name}`, () =>
      checkAftermath(killed.database, killed.entries),
    );
  });
  t.diagnostic(`${steps.length} kill points`);
});

test("a start that is killed at any step of its recovery is made good by the next one", async (t) => {
  const folder = temporaryFolder(t);
  const whole = await run(t, join(folder, "whole"), { mode: "converse", killAt: 0 });
  const points = crashesToRecover(entriesOf(whole.entries, "step").map(({ name }) => name));
  let recoveries = 0;
  await eachAtOnce(points, async (crashAt) => {
    const crashed = await run(t, join(folder, `${crashAt}`), { mode: "converse", killAt: crashAt });
    for (let killAt = 1; ; killAt += 1) {
      const home = join(folder, `${crashAt}-${killAt}`);
      const again = await run(t, home, { mode: "recover", killAt }, crashed);
      const what = `killed at step ${crashAt}, then at step ${killAt} of the next start`;
      await explain(what, () => checkAftermath(again.database, again.entries));
      if (again.signal === null) break;
      recoveries += 1;
    }
  });
  assert.ok(recoveries > points.length, "starts that had something to recover");
  t.diagnostic(`${recoveries} kill points in ${points.length} starts`);
});

/** In a withdrawal, while a turn runs and others wait; and in a deletion. */
function crashesToRecover(steps: readonly string[]): number[] {
  const points = [steps.indexOf("after withdrawTurn "), steps.indexOf("after deleteSession ")];
  assert.ok(points.every((index) => index > 0));
  return points.map((index) => index + 1);
}

type Mode = { mode: "converse" | "recover"; killAt: number };
type Run = { database: string; entries: Entry[]; signal: NodeJS.Signals | null };

/** Runs the process in a folder of its own, on a copy of what an earlier one has left. */
async function run(t: TestContext, home: string, { mode, killAt }: Mode, from?: Run): Promise<Run> {
  mkdirSync(home);
  const database = join(home, "chatwire.db");
  const journal = join(home, "journal");
  for (const suffix of from ? ["", "-wal"] : []) {
    const file = `${from?.database}${suffix}`;
    if (existsSync(file)) copyFileSync(file, `${database}${suffix}`);
  }
  const child = spawn(process.execPath, [script, mode, database, journal, String(killAt)], {
    stdio: ["ignore", "ignore", "inherit"],
    // Most of such a process's time is its start.
    env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(home), "compile-cache") },
  });
  killAfter(t, child);
  await once(child, "close");
  assert.ok(child.signalCode === "SIGKILL" || child.exitCode === 0, "it ended as it was asked to");
  const entries = [...(from?.entries ?? []), ...readJournal(journal)];
  return { database, entries, signal: child.signalCode };
}

function lastStep(entries: readonly Entry[]) {
  const steps = entriesOf(entries, "step");
  return { killAt: steps.length, name: steps.at(-1)?.name };
}

async function explain(what: string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    throw new Error(what, { cause: error });
  }
}

/** A few at a time, in order. */
async function eachAtOnce<Item>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  const rest = items.entries();
  const worker = async () => {
    for (const [index, item] of rest) await work(item, index);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
