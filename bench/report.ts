import type { DelayResult } from "./delay.ts";
import { baseline } from "./servers.ts";
import { median } from "./statistics.ts";

/** What was measured of one server, a value for each round. */
export type Results = {
  unaryPerSecond: number[];
  streamsPerSecond: number[];
  delays: DelayResult[];
};

export function emptyResults(): Results {
  return { unaryPerSecond: [], streamsPerSecond: [], delays: [] };
}

/** The medians as a Markdown table, with their ratios to the baseline's. */
export function toTable(results: ReadonlyMap<string, Results>): string {
  const compared = results.get(baseline) ?? emptyResults();
  const head = [
    "server",
    "unary calls/s",
    `× ${baseline}`,
    "22-message streams/s",
    `× ${baseline}`,
    "delay of 500 streams at 50 messages/s",
    "chunks late, p50 / p99",
  ];
  const rows = [...results].map(([name, result]) => [
    name,
    ...ratioCells(result.unaryPerSecond, compared.unaryPerSecond),
    ...ratioCells(result.streamsPerSecond, compared.streamsPerSecond),
    ...delayCells(result.delays),
  ]);
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function ratioCells(values: readonly number[], compared: readonly number[]): [string, string] {
  if (values.length === 0) return ["–", "–"];
  const value = median(values);
  return [Math.round(value).toLocaleString("en-US"), (value / median(compared)).toFixed(2)];
}

function delayCells(delays: readonly DelayResult[]): [string, string] {
  const of = (pick: (delay: DelayResult) => number) => median(delays.map(pick)).toFixed(1);
  const percent = of((one) => one.delayPercent);
  return [
    `${percent} %`,
    `${of((one) => one.latenessMsP50)} / ${of((one) => one.latenessMsP99)} ms`,
  ];
}
