import { Code, ConnectError } from "@connectrpc/connect";
import { errorReason } from "../../../src/client/client.ts";

/** What went wrong, in words for the person who sees it. */
export function errorWords(thrown: unknown): string {
  const error = ConnectError.from(thrown);
  const byReason = reasons[errorReason(error) ?? ""];
  if (byReason !== undefined) return byReason;
  if (!error.isWireError) return "Can't reach the server.";
  return codes[error.code] ?? sentence(withoutField(error.rawMessage));
}

/** Whether the very same call may be served another time, as far as the error tells. */
export function mayWorkLater(thrown: unknown): boolean {
  return !neverServed.has(ConnectError.from(thrown).code);
}

const neverServed = new Set([
  Code.InvalidArgument,
  Code.PermissionDenied,
  Code.NotFound,
  Code.AlreadyExists,
  Code.Unimplemented,
]);

const reasons: Readonly<Record<string, string>> = {
  SERVER_DRAINING: "The server is about to restart. Try again in a moment.",
  SERVER_STOPPED: "The server stopped. Try again in a moment.",
  STORAGE_UNAVAILABLE: "The server cannot save anything right now.",
  QUEUE_FULL: "Too many messages are waiting here already.",
  TOO_MANY_TURNS: "The server is busy. Try again in a moment.",
  SESSION_BUSY: "A reply is still being written.",
  MESSAGE_REPLACED: "This message was changed somewhere else.",
  NOTHING_TO_REGENERATE: "There is no reply to write again.",
  NOTHING_TO_CONTINUE: "This reply is complete.",
  ETAG_MISMATCH: "These settings were changed somewhere else. Have a look, then save again.",
};

const codes: Readonly<Partial<Record<Code, string>>> = {
  [Code.PermissionDenied]: "Your key does not allow this.",
  [Code.Unauthenticated]: "The server wants a key.",
  [Code.NotFound]: "It is not there any more.",
  [Code.Internal]: "The server made a mistake. Its log has the details.",
};

/** "message: is over 10 bytes" names a field of the request, for programs. */
function withoutField(text: string): string {
  const [, field = "", rest = ""] = /^([a-z][\w.]*): (.+)$/s.exec(text) ?? [];
  if (field === "") return text;
  const name = field === "message" ? "this message" : field.replaceAll(/[_.]/g, " ");
  return `${name} ${rest.replace(/\d{4,}/g, (digits) => whole.format(Number(digits)))}`;
}

const whole = new Intl.NumberFormat("en");

function sentence(text: string): string {
  if (text === "") return "Something went wrong.";
  const [first = "", ...rest] = text;
  return `${first.toUpperCase()}${rest.join("")}${/[.!?]$/.test(text) ? "" : "."}`;
}
