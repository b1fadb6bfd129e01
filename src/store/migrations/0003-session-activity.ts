import type { Migration } from "../../sqlite/module.ts";

/** The order in which sessions expire. */
export const sessionActivity: Migration = {
  version: 3,
  name: "0003-session-activity",
  sql: `
CREATE INDEX sessions_by_activity ON sessions (updated_at, session_id)
  WHERE deleted_at IS NULL;              -- queries repeat this term word for word, or miss the index
`,
};
