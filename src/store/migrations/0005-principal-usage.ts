import type { Migration } from "../../sqlite/module.ts";

/** What each principal's turns have used on a day; nothing of the days before this migration. */
export const principalUsage: Migration = {
  version: 5,
  name: "0005-principal-usage",
  sql: `
-- The day first: a day's rows stand together, and the oldest, which go, at the front.
CREATE TABLE principal_usage (
  day INTEGER NOT NULL,                  -- since 1970 UTC
  principal TEXT NOT NULL,
  tokens INTEGER NOT NULL,               -- of turns that ended on it, see daily-tokens.ts
  PRIMARY KEY (day, principal)
) STRICT, WITHOUT ROWID;
`,
};
