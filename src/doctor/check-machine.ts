import { freemem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { Config } from "../config.ts";
import { describeSize } from "./check-database.ts";
import { type Finding, reportOf } from "./finding.ts";

/** Files that the server needs beside its connections: the database, the log, providers. */
const otherFiles = 128;
/** Memory that should be free before the server starts, bytes. */
const memoryBytesMin = 256 * 2 ** 20;
/** No release is older than this, and certificates and epochs do not reach past the other, milliseconds. */
const plausible = { from: Date.UTC(2026, 0), to: Date.UTC(2100, 0) };

/** What this machine, and this account on it, gives the server. */
export function checkMachine(config: Config, now: number): Finding[] {
  return [checkClock(now), checkFiles(config), ...checkMemory(config)];
}

export function checkClock(now: number): Finding {
  const { ok, failed } = reportOf("clock");
  const told = new Date(now).toISOString();
  if (now >= plausible.from && now < plausible.to) return ok(told);
  return failed(`it says ${told}`, "set it right; certificates, tokens and expiry go by it");
}

function checkFiles({ connectionsMax }: Config): Finding {
  const { ok, warning } = reportOf("open files");
  const limit = openFilesMax();
  const told = `this account may have ${limit} open, CONNECTIONS_MAX is ${connectionsMax}`;
  if (limit >= connectionsMax + otherFiles) return ok(told);
  return warning(
    told,
    `raise the limit to ${connectionsMax + otherFiles} (ulimit -n, LimitNOFILE= of systemd), or lower CONNECTIONS_MAX`,
  );
}

/** How many files a process may have open; Node has raised its soft limit to the hard one. */
function openFilesMax(): number {
  // Without this it looks every network peer's name up.
  Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = process.report.getReport() as unknown as {
    userLimits?: { open_files?: { soft?: number | "unlimited" } };
  };
  const soft = userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : Number.POSITIVE_INFINITY;
}

function checkMemory({ eventRetentionBytes }: Config): Finding[] {
  const { ok, warning } = reportOf("memory");
  const heapMax = getHeapStatistics().heap_size_limit;
  // 0 or more than there is: no limit is set on this process.
  const limit = process.constrainedMemory();
  const available = limit > 0 && limit < 2 ** 53 ? process.availableMemory() : freemem();
  const told = `${describeSize(available)} to be had, ${describeSize(heapMax)} at most for the heap`;
  const findings: Finding[] = [];
  if (available < memoryBytesMin) findings.push(warning(told, "give the server more memory"));
  else findings.push(ok(told));
  const kept = describeSize(eventRetentionBytes);
  if (eventRetentionBytes > Math.min(heapMax, available) / 2) {
    findings.push(
      warning(
        `EVENT_RETENTION_BYTES lets events take ${kept} of it`,
        "lower it, or raise the heap: NODE_OPTIONS=--max-old-space-size=<MiB>",
      ),
    );
  }
  return findings;
}
