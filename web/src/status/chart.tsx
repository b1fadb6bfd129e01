const width = 240;
const height = 64;
const pointsMax = 60;

/** A small line over time, with its latest value in figures. */
export function Chart({
  title,
  points,
  unit = "",
  digits = 0,
  tone = "good",
}: {
  title: string;
  points: readonly number[];
  unit?: string;
  digits?: number;
  tone?: "good" | "bad";
}) {
  const latest = points.at(-1);
  const words = latest === undefined ? "–" : latest.toFixed(digits);
  return (
    <figure className="chart" data-tone={tone}>
      <figcaption>{title}</figcaption>
      <p>
        <strong>{words}</strong> <span>{unit}</span>
      </p>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title} over the last two minutes, now ${words} ${unit}`}
      >
        <path className="chart-area" d={areaOf(points)} />
        <path className="chart-line" d={lineOf(points)} />
      </svg>
    </figure>
  );
}

function lineOf(points: readonly number[]): string {
  const most = Math.max(1, ...points);
  const step = width / (pointsMax - 1);
  const left = width - (points.length - 1) * step;
  return points
    .map((value, index) => {
      const x = (left + index * step).toFixed(1);
      const y = (height - 2 - (value / most) * (height - 6)).toFixed(1);
      return `${index === 0 ? "M" : "L"}${x} ${y}`;
    })
    .join("");
}

function areaOf(points: readonly number[]): string {
  if (points.length === 0) return "";
  const left = width - ((points.length - 1) * width) / (pointsMax - 1);
  return `${lineOf(points)}L${width} ${height}L${left.toFixed(1)} ${height}Z`;
}
