import { parseTimestamp } from "../auth/timestamp.ts";
import { CliError, exitCode } from "./exit-code.ts";

const unitMs: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/**
 * When a duration from now (90d, 12h, 30m, 2w), a date (its first moment, UTC) or an RFC 3339 time is, as RFC 3339
 * in UTC. Throws CliError unless it lies ahead, before the year 10000.
 */
export function parseExpiry(text: string, nowMs: number): string {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  const atMs =
    unit === undefined
      ? parseTimestamp(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text)
      : nowMs + Number(count) * (unitMs[unit] ?? 0);
  if (atMs === undefined || atMs > Date.UTC(9999, 11, 31)) {
    const example = "a duration such as 90d or 12h, or a date such as 2027-01-31";
    throw new CliError(`--expires ${JSON.stringify(text)}: expected ${example}`, exitCode.usage);
  }
  if (atMs > nowMs) return new Date(atMs).toISOString();
  throw new CliError(`--expires ${JSON.stringify(text)} is not ahead of us`, exitCode.usage);
}
