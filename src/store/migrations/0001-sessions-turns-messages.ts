import type { Migration } from "../../sqlite/module.ts";

/** Sessions with their counters, turns, and messages. */
export const sessionsTurnsMessages: Migration = {
  version: 1,
  name: "0001-sessions-turns-messages",
  sql: `
CREATE TABLE sessions (
  session_id TEXT NOT NULL PRIMARY KEY,
  principal TEXT NOT NULL,
  model TEXT NOT NULL,
  title TEXT NOT NULL,
  system_instruction TEXT NOT NULL,
  generation TEXT NOT NULL,              -- JSON: GenerationConfig
  metadata TEXT NOT NULL,                -- JSON: names to values
  created_at INTEGER NOT NULL,           -- milliseconds since 1970 UTC, here and below
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL DEFAULT 1,    -- of the settings; the etag
  forked_from_session_id TEXT NOT NULL DEFAULT '',
  preview TEXT NOT NULL DEFAULT '',
  user_messages INTEGER NOT NULL DEFAULT 0,
  model_messages INTEGER NOT NULL DEFAULT 0,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  thinking_tokens INTEGER NOT NULL DEFAULT 0,
  cached_tokens INTEGER NOT NULL DEFAULT 0,
  total_tokens INTEGER NOT NULL DEFAULT 0,
  usage_estimated INTEGER NOT NULL DEFAULT 0,
  last_sequence INTEGER NOT NULL DEFAULT 0,
  epoch INTEGER NOT NULL DEFAULT 1,
  fence INTEGER NOT NULL DEFAULT 0,      -- of the turn that was acquired last
  turns_created INTEGER NOT NULL DEFAULT 0,
  turns_started INTEGER NOT NULL DEFAULT 0,
  running_turn_id TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX sessions_by_change ON sessions (principal, updated_at, session_id);

CREATE TABLE turns (
  turn_id TEXT NOT NULL PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
  principal TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'ended')),
  queue_order INTEGER NOT NULL,          -- from 1, in the order of creation
  position INTEGER,                      -- from 1, in the order of starting; null while queued
  fence INTEGER NOT NULL DEFAULT 0,
  owner TEXT NOT NULL DEFAULT '',        -- the process that runs it
  request_id TEXT NOT NULL,
  model TEXT NOT NULL,                   -- the model asked
  system_instruction TEXT NOT NULL,
  generation TEXT NOT NULL,
  chunk_by TEXT NOT NULL,
  reply_message_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  answered_model TEXT NOT NULL DEFAULT '',
  finish_reason TEXT,
  error TEXT,                            -- JSON: TurnError
  usage TEXT,                            -- JSON: Usage
  total_chunks INTEGER NOT NULL DEFAULT 0,
  first_chunk_ms REAL,
  processing_ms REAL,
  last_sequence INTEGER NOT NULL DEFAULT 0,
  ended_at INTEGER
) STRICT;
CREATE INDEX turns_by_session ON turns (principal, session_id, queue_order);
CREATE INDEX turns_of_session ON turns (session_id);  -- for the cascade
CREATE INDEX turns_unfinished ON turns (principal, session_id, queue_order)
  WHERE ended_at IS NULL;                -- queries repeat this term word for word, or miss the index

CREATE TABLE messages (
  message_id TEXT NOT NULL,
  session_id TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
  principal TEXT NOT NULL,
  turn_id TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('user', 'model')),
  state TEXT NOT NULL CHECK (state IN ('queued', 'complete', 'partial')),
  ord INTEGER NOT NULL,                  -- history's order, see message-order.ts
  parts TEXT NOT NULL,                   -- JSON: Part[]
  created_at INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  model TEXT NOT NULL,
  finish_reason TEXT,
  usage TEXT,                            -- JSON: Usage
  error_reason TEXT,
  error_message TEXT,
  sequence INTEGER NOT NULL,
  PRIMARY KEY (session_id, principal, message_id)
) STRICT;
CREATE UNIQUE INDEX messages_in_order ON messages (principal, session_id, ord);
`,
};
