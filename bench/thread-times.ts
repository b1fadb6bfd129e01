import { readdirSync, readFileSync } from "node:fs";

/** Processor time that a process has used, microseconds. */
export type CpuTimes = { mainMicros: number; otherMicros: number };

/** The kernel counts in hundredths of a second, whatever its own clock is (proc_pid_stat(5), USER_HZ). */
const tickMicros = 10_000;

/** By thread, from Linux's /proc; NaN on other systems. */
export function cpuTimes(pid: number): CpuTimes {
  try {
    const times = readdirSync(`/proc/${pid}/task`).map((thread): [boolean, number] => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
      // After the name in parentheses, which may have spaces: utime and stime are fields 14 and 15 of all.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [thread === String(pid), (Number(fields[11]) + Number(fields[12])) * tickMicros];
    });
    const sum = (isMain: boolean) =>
      times.reduce((total, [main, micros]) => (main === isMain ? total + micros : total), 0);
    return { mainMicros: sum(true), otherMicros: sum(false) };
  } catch {
    return { mainMicros: Number.NaN, otherMicros: Number.NaN };
  }
}
