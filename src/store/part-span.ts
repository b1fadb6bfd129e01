import type { Part } from "../chat/message.ts";

/**
 * Where a turn's own parts stand among those of its message, which a later turn may extend: the first
 * part and where in its text they begin, the last part and where in its text they end; UTF-16 units.
 */
export type PartSpan = readonly [
  firstPart: number,
  firstUnit: number,
  lastPart: number,
  lastUnit: number,
];

/** The place of the whole of `parts`; undefined where there is none. */
export function wholeSpan(parts: readonly Part[]): PartSpan | undefined {
  const last = parts.at(-1);
  return last === undefined ? undefined : [0, 0, parts.length - 1, last.text.length];
}

/**
 * A message's parts with a turn's own at their end, and where these stand. The first of them joins a last
 * part of its kind, unless one of the two has a signature: that is for the text it came with.
 */
export function extendParts(
  parts: readonly Part[],
  more: readonly Part[],
): { parts: Part[]; span: PartSpan | undefined } {
  const [first, ...rest] = more;
  if (first === undefined) return { parts: [...parts], span: undefined };
  const last = parts.at(-1);
  const joins = last?.type === first.type && !isSigned(last) && !isSigned(first);
  const joined =
    joins && last !== undefined
      ? [...parts.slice(0, -1), { ...last, text: last.text + first.text }, ...rest]
      : [...parts, first, ...rest];
  const lastUnit = joined.at(-1)?.text.length ?? 0;
  const begin = joins ? [parts.length - 1, last.text.length] : [parts.length, 0];
  const [firstPart = 0, firstUnit = 0] = begin;
  return { parts: joined, span: [firstPart, firstUnit, joined.length - 1, lastUnit] };
}

/** The parts that stand there. */
export function partsIn(
  parts: readonly Part[],
  [firstPart, firstUnit, lastPart, lastUnit]: PartSpan,
): Part[] {
  return parts.slice(firstPart, lastPart + 1).map((part, index) => {
    const from = index === 0 ? firstUnit : 0;
    const to = firstPart + index === lastPart ? lastUnit : part.text.length;
    return { ...part, text: part.text.slice(from, to) };
  });
}

function isSigned(part: Part): boolean {
  return part.type === "text" && part.signature !== undefined;
}
