import type { Principal } from "../chat/session.ts";
import type { ListName } from "./page-token.ts";

/** The list that a page token of listSessions belongs to. */
export function sessionsList(principal: Principal): ListName {
  return ["sessions", principal];
}

/** The list that a page token of listMessages belongs to. */
export function messagesList(
  principal: Principal,
  sessionId: string,
  newestFirst: boolean,
): ListName {
  return ["messages", principal, sessionId, newestFirst ? "newest" : "oldest"];
}
