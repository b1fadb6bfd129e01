import type { Migration } from "../../sqlite/module.ts";

/** The log's ticks, and what is known of sessions whose ticks are gone. */
export const ticks: Migration = {
  version: 1,
  name: "0001-ticks",
  sql: `
CREATE TABLE event_ticks (
  id INTEGER NOT NULL PRIMARY KEY,       -- rises
  at INTEGER NOT NULL,                   -- milliseconds since 1970 UTC
  body TEXT NOT NULL                     -- a line of JSON for each append
) STRICT;

CREATE TABLE event_heads (
  session_id TEXT NOT NULL PRIMARY KEY,
  last_sequence INTEGER NOT NULL,
  fence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE event_drops (
  session_id TEXT NOT NULL PRIMARY KEY,
  through_tick_id INTEGER NOT NULL       -- what the ticks up to here hold of the session is void
) STRICT, WITHOUT ROWID;
`,
};
