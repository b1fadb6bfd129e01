import { linesOf, type Point } from "./chart-lines.ts";

/** A small line over time, with its latest value and its highest one in figures. */
export function Chart({
  title,
  points,
  unit = "",
  digits = 0,
  tone = "good",
}: {
  title: string;
  points: readonly Point[];
  unit?: string;
  digits?: number;
  tone?: "good" | "bad";
}) {
  const latest = points.at(-1)?.value;
  const most = Math.max(0, ...points.map(({ value }) => value));
  const words = latest === undefined ? "–" : latest.toFixed(digits);
  const { line, area, width, height } = linesOf(points, most);
  return (
    <figure className="chart" data-tone={tone}>
      <figcaption>
        {title}
        <span>
          at most {mostWords(most, digits)} {unit}
        </span>
      </figcaption>
      <p>
        <strong>{words}</strong> <span>{unit}</span>
      </p>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title} over the last two minutes, now ${words} ${unit}`}
      >
        <path className="chart-area" d={area} />
        <path className="chart-line" d={line} />
      </svg>
    </figure>
  );
}

/** The scale of the chart, with a figure that is not 0 where the value is not. */
function mostWords(most: number, digits: number): string {
  const words = most.toFixed(digits);
  return most > 0 && (Number(words) === 0 || most < 1) ? most.toPrecision(1) : words;
}
