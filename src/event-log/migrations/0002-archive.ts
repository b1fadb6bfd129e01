import type { Migration } from "../../sqlite/module.ts";

/** Events that are kept as long as their session, while retention removes the ticks that had them. */
export const archive: Migration = {
  version: 2,
  name: "0002-archive",
  sql: `
CREATE TABLE event_archive (
  session_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  body TEXT NOT NULL,                    -- JSON: NewEvent
  PRIMARY KEY (session_id, sequence)
) STRICT, WITHOUT ROWID;
`,
};
