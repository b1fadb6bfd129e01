import type { Principal } from "../chat/session.ts";
import type { ListName } from "./page-token.ts";

/** The list that a page token of listSessions belongs to. */
export function sessionsList(principal: Principal, query: string): ListName {
  return ["sessions", principal, query];
}

/** The list that a page token of listMessages belongs to. */
export function messagesList(
  principal: Principal,
  sessionId: string,
  { newestFirst, includeReplaced }: { newestFirst: boolean; includeReplaced: boolean },
): ListName {
  const order = newestFirst ? "newest" : "oldest";
  return ["messages", principal, sessionId, order, includeReplaced ? "all" : "visible"];
}
