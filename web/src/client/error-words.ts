import { Code, ConnectError } from "@connectrpc/connect";
import { errorReason } from "../../../src/client/client.ts";

/** What went wrong, in words for the person who sees it. */
export function errorWords(thrown: unknown): string {
  const error = ConnectError.from(thrown);
  const byReason = reasons[errorReason(error) ?? ""];
  if (byReason !== undefined) return byReason;
  if (!error.isWireError) return "The server cannot be reached.";
  return codes[error.code] ?? sentence(error.rawMessage);
}

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

function sentence(text: string): string {
  if (text === "") return "Something went wrong.";
  const [first = "", ...rest] = text;
  return `${first.toUpperCase()}${rest.join("")}${/[.!?]$/.test(text) ? "" : "."}`;
}
