import { limits } from "../../chat/limits.ts";
import { bytes, milliseconds, wholeNumber } from "../parse.ts";
import { type Settings, withDefault } from "../setting.ts";

const group = "Limits";

/** Bounds of what one server carries. */
export const limitsSettings = {
  MESSAGE_BYTES_MAX: withDefault(
    group,
    "1MiB",
    "size",
    bytes(1, limits.messageBytesMax),
    "The largest message of a user, in UTF-8",
  ),
  CONNECTIONS_MAX: withDefault(
    group,
    "10000",
    "n",
    wholeNumber(1, 1_000_000),
    "Connections open at once; further ones are closed",
  ),
  CONNECTION_STREAMS_MAX: withDefault(
    group,
    "250",
    "n",
    wholeNumber(1, 100_000),
    "Calls open at once on one HTTP/2 connection",
  ),
  RUNNING_TURNS_MAX: withDefault(
    group,
    "5000",
    "n",
    wholeNumber(1, 1_000_000),
    "Turns running at once; a further one is refused and may be tried again",
  ),
  QUEUED_TURNS_MAX: withDefault(
    group,
    "8",
    "n",
    wholeNumber(0, 1_000),
    "Turns that may wait in one session; a further one is refused and may be tried again",
  ),
  STREAMS_MAX: withDefault(
    group,
    "20000",
    "n",
    wholeNumber(1, 1_000_000),
    "Streams open at once; near it new turns are refused, at it new streams, never a resume or a cancel",
  ),
  EVENT_LOOP_DELAY_SHED_MS: withDefault(
    group,
    "200",
    "ms",
    milliseconds(0),
    "Mean delay of the event loop over a second above which new turns are refused; 0 is never",
  ),
  SESSIONS_PER_PRINCIPAL_MAX: withDefault(
    group,
    "0",
    "n",
    wholeNumber(0, 1_000_000_000),
    "Sessions of one caller; 0 is any number",
  ),
  STREAMS_PER_PRINCIPAL_MAX: withDefault(
    group,
    "0",
    "n",
    wholeNumber(0, 1_000_000),
    "Streams that one caller may have open at once; 0 is any number",
  ),
  TURNS_PER_MINUTE_MAX: withDefault(
    group,
    "0",
    "n",
    wholeNumber(0, 1_000_000),
    "Turns that one caller may start within a minute; 0 is any number",
  ),
  TOKENS_PER_DAY_MAX: withDefault(
    group,
    "0",
    "n",
    wholeNumber(0, 1_000_000_000_000),
    "Tokens, in and out, that one caller's turns may use from midnight to midnight UTC; 0 is any number",
  ),
} as const satisfies Settings;
