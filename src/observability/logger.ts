import type { FastifyRequest, FastifyServerOptions } from "fastify";
import { describeError } from "./describe-error.ts";

export type LoggerOptions = {
  level: string;
  /** What users and models say may be logged (LOG_CONTENT). */
  logContent: boolean;
  /** Texts that no line may have, whatever library writes it. */
  secrets: readonly string[];
  /** Where the lines go. */
  stream: LogStream;
};

/** Takes lines, each with its line end. */
export type LogStream = { write(line: string): void };

const redacted = "[redacted]";

/** Fields that are never shown, as a second net: nothing of ours logs them. */
const secretFields = [
  "authorization",
  "cookie",
  "apiKey",
  "api_key",
  "password",
  "token",
  "headers",
];

/** How Fastify's logger (pino) is set up: one JSON object a line, so that what clients send can make no line of its own. */
export function loggerOptions(options: LoggerOptions): NonNullable<FastifyServerOptions["logger"]> {
  const { level, logContent, secrets, stream } = options;
  return {
    level,
    stream: withoutSecrets(stream, secrets),
    serializers: {
      err: (error: unknown) => describeError(error, logContent) as never,
      error: (error: unknown) => describeError(error, logContent),
      // Without its query: there Connect's GET has the message.
      req: ({ method, url }: FastifyRequest) => ({ method, path: url?.split("?")[0] }) as never,
    },
    redact: {
      paths: secretFields.flatMap((name) => [name, `req.${name}`, `res.${name}`]),
      censor: redacted,
    },
  };
}

/** API keys of ours, tokens (JWT), and whatever else is shown as a bearer's; wherever they stand in a line. */
const credential =
  /\bcw_[a-z0-9]+_[\w-]{16,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|(?<=\bBearer )[\w.~+/=-]{16,}/gi;

/** The last net: what a line must not have is taken out of its text, whoever put it there. */
function withoutSecrets(stream: LogStream, secrets: readonly string[]): LogStream {
  // As JSON writes them.
  const written = secrets.filter((secret) => secret !== "").map(quoted);
  return {
    write(line) {
      const text = written.reduce((rest, secret) => rest.replaceAll(secret, redacted), line);
      stream.write(text.replace(credential, redacted));
    },
  };
}

function quoted(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
