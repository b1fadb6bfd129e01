import * as parse from "../parse.ts";
import { oneOf } from "../parse.ts";
import { optional, type Settings, withDefault } from "../setting.ts";

const group = "Logging";

/** What is told to the operator. */
export const loggingSettings = {
  LOG_LEVEL: withDefault(
    group,
    "info",
    "word",
    oneOf("fatal", "error", "warn", "info", "debug", "trace", "silent"),
    "The least that is logged",
  ),
  LOG_CONTENT: withDefault(
    group,
    "0",
    "",
    parse.boolean,
    "Log what users and models say, which is otherwise never logged",
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    group,
    "url",
    parse.webUrl,
    "Where traces go, by OTLP over HTTP, such as http://localhost:4318",
  ),
} as const satisfies Settings;
