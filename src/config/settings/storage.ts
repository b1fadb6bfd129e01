import * as parse from "../parse.ts";
import { bytes, milliseconds, oneOf, wholeNumber } from "../parse.ts";
import { type Settings, withDefault } from "../setting.ts";

const group = "Storage";

/** What is kept, where, and for how long. */
export const storageSettings = {
  DATABASE_URL: withDefault(
    group,
    "sqlite:data/chatwire.db",
    "url",
    parse.database,
    "Where sessions are kept: sqlite:path, from the working directory, or memory: to forget them at exit",
  ),
  DURABILITY: withDefault(
    group,
    "full",
    "word",
    oneOf("full", "normal"),
    "full survives a power cut; normal leaves the last moments to the operating system",
  ),
  EVENT_RETENTION_MS: withDefault(
    group,
    "600000",
    "ms",
    milliseconds(0),
    "How long the events of an ended turn are kept for readers that come back",
  ),
  EVENT_RETENTION_BYTES: withDefault(
    group,
    "256MiB",
    "size",
    bytes(2 ** 20, 2 ** 40),
    "How much memory those events may take",
  ),
  SESSION_TTL_MS: withDefault(
    group,
    "0",
    "ms",
    wholeNumber(0, 100 * 365 * 24 * 60 * 60 * 1_000),
    "How long a session is kept that nobody changes; it is deleted then. 0 keeps all",
  ),
} as const satisfies Settings;
