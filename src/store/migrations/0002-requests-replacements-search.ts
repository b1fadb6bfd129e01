import type { Migration } from "../../sqlite/module.ts";

/**
 * Request keys, turns that edit, regenerate and continue, where their events stood, deletion in steps, and
 * the search index. What the first release stored is kept as it is, and queued to be indexed.
 */
export const requestsReplacementsSearch: Migration = {
  version: 2,
  name: "0002-requests-replacements-search",
  sql: `
-- A deleted session is gone for everybody at once; its content goes in steps, its row with its last key.
ALTER TABLE sessions ADD COLUMN deleted_at INTEGER;
ALTER TABLE sessions ADD COLUMN emptied INTEGER NOT NULL DEFAULT 0;         -- its content is gone
ALTER TABLE sessions ADD COLUMN events_dropped INTEGER NOT NULL DEFAULT 0;  -- from the event log
DROP INDEX sessions_by_change;
CREATE INDEX sessions_by_change ON sessions (principal, updated_at, session_id) WHERE deleted_at IS NULL;
CREATE INDEX sessions_to_empty ON sessions (session_id) WHERE deleted_at IS NOT NULL AND emptied = 0;
CREATE INDEX sessions_to_drop ON sessions (session_id)
  WHERE deleted_at IS NOT NULL AND events_dropped = 0;
CREATE INDEX sessions_to_forget ON sessions (deleted_at) WHERE emptied = 1 AND events_dropped = 1;

ALTER TABLE messages ADD COLUMN replaced_by_turn_id TEXT;
CREATE INDEX messages_visible ON messages (principal, session_id, ord)
  WHERE replaced_by_turn_id IS NULL;     -- queries repeat this term word for word, or miss the index

ALTER TABLE turns ADD COLUMN type TEXT NOT NULL DEFAULT 'message';
ALTER TABLE turns ADD COLUMN on_disconnect TEXT;
ALTER TABLE turns ADD COLUMN replaces TEXT NOT NULL DEFAULT '[]';  -- JSON: message ids
ALTER TABLE turns ADD COLUMN question_message_id TEXT NOT NULL DEFAULT '';
ALTER TABLE turns ADD COLUMN withdrawn_question TEXT;  -- JSON: Message, which left the history
ALTER TABLE turns ADD COLUMN reply_span TEXT;          -- JSON: PartSpan, the turn's parts in its message
ALTER TABLE turns ADD COLUMN layout BLOB;              -- see layout-codec.ts; null of the first release
UPDATE turns SET question_message_id = coalesce((
  SELECT message_id FROM messages
  WHERE messages.principal = turns.principal AND messages.session_id = turns.session_id
    AND messages.ord = coalesce(turns.position * 2, 1099511627776 + turns.queue_order * 2)
), '');

-- Where each unbroken row of a turn's events ended; the first event after a sequence is of the first row
-- that ends after it.
CREATE TABLE turn_spans (
  session_id TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
  last_sequence INTEGER NOT NULL,
  turn_id TEXT NOT NULL,
  PRIMARY KEY (session_id, last_sequence)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO turn_spans (session_id, last_sequence, turn_id)
  SELECT session_id, last_sequence, turn_id FROM turns WHERE ended_at IS NOT NULL;

CREATE TABLE request_keys (
  principal TEXT NOT NULL,
  request_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('turn', 'session', 'fork')),
  session_id TEXT NOT NULL,
  turn_id TEXT NOT NULL,                 -- empty unless a turn's
  fingerprint TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (principal, request_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX request_keys_of_session ON request_keys (session_id);

-- The search index: a row for each piece of a message, and for each title. Its rowid is made of the three
-- numbers of search_sessions and search_rows, so that a principal's rows stand together, see sqlite-search.ts.
CREATE VIRTUAL TABLE search USING fts5 (
  words, content = '', contentless_delete = 1, detail = none, prefix = '1 2 3', tokenize = 'ascii'
);
-- Merges are done in steps of their own, and not within some write.
INSERT INTO search (search, rank) VALUES ('automerge', 0);
INSERT INTO search (search, rank) VALUES ('crisismerge', 1000);
CREATE TABLE search_principals (
  principal TEXT NOT NULL PRIMARY KEY,
  principal_number INTEGER NOT NULL UNIQUE,
  sessions_numbered INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE search_sessions (
  session_id TEXT NOT NULL PRIMARY KEY,
  principal_number INTEGER NOT NULL,
  session_number INTEGER NOT NULL,
  rows_numbered INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE search_rows (
  session_id TEXT NOT NULL,
  message_id TEXT NOT NULL,              -- empty for the title
  row_number INTEGER NOT NULL,
  PRIMARY KEY (session_id, message_id, row_number)
) STRICT, WITHOUT ROWID;
-- What has changed since it was indexed.
CREATE TABLE search_jobs (
  id INTEGER NOT NULL PRIMARY KEY,
  session_id TEXT NOT NULL,
  message_id TEXT NOT NULL,              -- empty for the title
  units_done INTEGER NOT NULL DEFAULT 0  -- of its text, UTF-16 units
) STRICT;
INSERT INTO search_jobs (session_id, message_id)
  SELECT session_id, '' FROM sessions WHERE title <> '';
INSERT INTO search_jobs (session_id, message_id) SELECT session_id, message_id FROM messages;
`,
};
