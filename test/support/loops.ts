import { setImmediate as turnOfTheLoop } from "node:timers/promises";

/** Turns of the event loop after which what is in memory has come to rest. */
const settleTurns = 20;

/** How long something may take that is sure to come, milliseconds; past it the test fails. */
const patienceMs = 5_000;

/** Lets everything that is ready happen. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < settleTurns; turns += 1) await turnOfTheLoop();
}

/** Resolves as soon as it is so. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const startedMs = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startedMs > patienceMs) throw new Error(`not so: ${isSo.toString()}`);
    await turnOfTheLoop();
  }
}
