import { createHash } from "node:crypto";

/**
 * The seed of a short run, TEST_SEED: of what differs only in its circumstances (the lane, the size of the screen)
 * it takes a share. Without one every variant runs, as `node --test FILE` and `node test/run.ts GROUP --all` do.
 */
const seed = process.env.TEST_SEED;

/**
 * At least one variant of each kind and `count` in all, in their own order; others for each seed and subject. All
 * of them without a seed.
 */
export function seededShare<T>(
  subject: string,
  variants: readonly T[],
  count: number,
  kindOf: (variant: T) => unknown = () => undefined,
): readonly T[] {
  if (seed === undefined) return variants;
  const rank = new Map(variants.map((variant) => [variant, rankOf(subject, variant)]));
  const ranked = variants.toSorted((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0));
  const oneOfEach = [...new Map(ranked.map((variant) => [kindOf(variant), variant])).values()];
  const share = Math.max(count, oneOfEach.length);
  const chosen = new Set([...new Set([...oneOfEach, ...ranked])].slice(0, share));
  return variants.filter((variant) => chosen.has(variant));
}

function rankOf(subject: string, variant: unknown): number {
  const text = JSON.stringify([seed, subject, variant]);
  return createHash("sha256").update(text).digest().readUInt32BE();
}
