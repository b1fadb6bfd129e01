import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { availableParallelism, cpus, release, type } from "node:os";
import { join } from "node:path";
import { median } from "./statistics.ts";

const syncs = 30;

/** What the numbers depend on, as a line of Markdown: date, Node, processor, disk. */
export function describeMachine(folder: string, rounds: number): string {
  const [cpu] = cpus();
  return [
    new Date().toISOString().slice(0, 10),
    `Node ${process.versions.node}`,
    `${type()} ${release()}`,
    `${availableParallelism()} × ${cpu?.model.trim() ?? "unknown processor"}`,
    `fsync ${syncMs(folder).toFixed(1)} ms`,
    `medians of ${rounds} round${rounds === 1 ? "" : "s"}`,
  ].join(" · ");
}

/** How long the disk of this folder takes to make a small write durable, the median. */
function syncMs(folder: string): number {
  const file = openSync(join(folder, "fsync"), "w");
  try {
    const times = Array.from({ length: syncs }, () => {
      const startMs = performance.now();
      writeSync(file, "x".repeat(512));
      fsyncSync(file);
      return performance.now() - startMs;
    });
    return median(times);
  } finally {
    closeSync(file);
  }
}
