/** What a server holds when it has collected its garbage. */
export type Holdings = {
  heapBytes: number;
  /** Connections, handles, listeners, sessions in use, running turns, rows of each table. */
  counts: Record<string, number>;
};

/** The counts that differ from the base line, in words; empty where it has been reached again. */
export function differences(base: Holdings, now: Holdings): string[] {
  const names = new Set([...Object.keys(base.counts), ...Object.keys(now.counts)]);
  return [...names]
    .filter((name) => (now.counts[name] ?? 0) !== (base.counts[name] ?? 0))
    .map((name) => `${name}: ${now.counts[name] ?? 0}, and was ${base.counts[name] ?? 0}`);
}
