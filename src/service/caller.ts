import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { anonymous, type Principal } from "../chat/session.ts";

/** Who calls, for handlers. */
export const principalKey = createContextKey<Principal>(anonymous, {
  description: "the authenticated caller",
});

export function principalOf(context: HandlerContext): Principal {
  return context.values.get(principalKey);
}

/** Names the request in log lines; set by the mount. */
export const requestIdKey = createContextKey<string>("", { description: "the request's id" });
