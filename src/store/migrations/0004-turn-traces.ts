import type { Migration } from "../../sqlite/module.ts";

/** The trace that a turn belongs to, so that it crosses the queue and a restart. */
export const turnTraces: Migration = {
  version: 4,
  name: "0004-turn-traces",
  sql: `
ALTER TABLE turns ADD COLUMN trace_parent TEXT;  -- W3C Trace Context; null where nobody traces
`,
};
