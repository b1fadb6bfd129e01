import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import fc from "fast-check";

/** How long and by which seed to look. */
export type Effort = { runs: number; seed: number };

/** What the gate does each time: the same, so that it fails by a change and not by chance. */
export const gateEffort = (runs: number): Effort => ({ runs, seed: 20_261_122 });

/** Runs of the past that have failed, by property; each is run again before anything new is tried. */
type Failure = { seed: number; path: string };

const seeds = JSON.parse(readFileSync(new URL("seeds.json", import.meta.url), "utf8")) as Readonly<
  Record<string, readonly Failure[]>
>;

/** The property as a test. Its failure names seed and path: they belong in seeds.json. */
export function holds<T>(
  name: string,
  effort: Effort,
  prepare: (t: TestContext) => Promise<fc.IAsyncPropertyWithHooks<T>>,
): void {
  test(name, async (t) => {
    const property = await prepare(t);
    for (const failure of seeds[name] ?? []) {
      await fc.assert(property, { ...failure, numRuns: 1, endOnFailure: true });
    }
    await fc.assert(property, { seed: effort.seed, numRuns: effort.runs });
  });
}

/** A property of something that answers at once. */
export function always<T>(
  name: string,
  effort: Effort,
  any: fc.Arbitrary<T>,
  check: (value: T) => void | Promise<void>,
): void {
  holds(name, effort, async () => fc.asyncProperty(any, async (value) => check(value)));
}
