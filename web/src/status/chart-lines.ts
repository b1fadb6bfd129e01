/** A value at a moment, milliseconds. */
export type Point = { readonly at: number; readonly value: number };

/** How much time a chart shows, up to its latest point, milliseconds. */
export const windowMs = 120_000;

/** Points that are further apart, milliseconds, have nothing between them: a hidden tab does not ask. */
const gapMs = 7_000;

const width = 240;
const height = 64;

/**
 * The paths of a chart, in a box of `width` and `height`: its time ends at the latest point, and `most` is its
 * top. Where nothing was heard there is a gap.
 */
export function linesOf(points: readonly Point[], most: number) {
  const end = points.at(-1)?.at ?? 0;
  const xOf = ({ at }: Point) => (width * (1 - (end - at) / windowMs)).toFixed(1);
  const yOf = ({ value }: Point) =>
    (height - 2 - (most === 0 ? 0 : value / most) * (height - 6)).toFixed(1);
  const parts = partsOf(points.filter(({ at }) => end - at <= windowMs));
  const lines = parts.map((part) => part.map((point) => `${xOf(point)} ${yOf(point)}`).join("L"));
  const areas = parts.map((part, index) => {
    const [first, last] = [part[0], part.at(-1)];
    if (first === undefined || last === undefined) return "";
    return `M${lines[index]}L${xOf(last)} ${height}L${xOf(first)} ${height}Z`;
  });
  return { line: lines.map((each) => `M${each}`).join(""), area: areas.join(""), width, height };
}

/** What was heard without a gap. */
function partsOf(points: readonly Point[]): Point[][] {
  const parts: Point[][] = [];
  let before: Point | undefined;
  for (const point of points) {
    if (before !== undefined && point.at - before.at <= gapMs) parts.at(-1)?.push(point);
    else parts.push([point]);
    before = point;
  }
  return parts;
}
