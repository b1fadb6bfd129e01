import { milliseconds } from "../parse.ts";
import { type Settings, withDefault } from "../setting.ts";

const group = "Times, in milliseconds";

/** How long things may take. */
export const timesSettings = {
  DISCONNECT_GRACE_MS: withDefault(
    group,
    "30000",
    "ms",
    milliseconds(0),
    "How long a turn runs on that nobody reads, unless its request says otherwise",
  ),
  FIRST_CHUNK_TIMEOUT_MS: withDefault(
    group,
    "120000",
    "ms",
    milliseconds(1),
    "How long a model may take to begin its reply",
  ),
  IDLE_CHUNK_TIMEOUT_MS: withDefault(
    group,
    "120000",
    "ms",
    milliseconds(1),
    "How long a model may fall silent within its reply",
  ),
  TURN_TIMEOUT_MS: withDefault(
    group,
    "600000",
    "ms",
    milliseconds(1),
    "How long a whole turn may take",
  ),
  HEARTBEAT_MS: withDefault(
    group,
    "15000",
    "ms",
    milliseconds(10),
    "Silence on a stream after which a HEARTBEAT is sent",
  ),
  DRAIN_TIMEOUT_MS: withDefault(
    group,
    "30000",
    "ms",
    milliseconds(0),
    "How long running turns may go on after SIGTERM or SIGINT",
  ),
} as const satisfies Settings;
