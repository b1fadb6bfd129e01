import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Identity } from "../auth/authenticator.ts";
import type { Principal } from "../chat/session.ts";

/** Who calls; set by the gate, before anything of the request is read. */
export const identityKey = createContextKey<Identity | undefined>(undefined, {
  description: "the authenticated caller",
});

/** Who calls, for handlers. Throws where the gate has let a call of nobody through. */
export function callerOf(context: HandlerContext): Identity {
  const identity = context.values.get(identityKey);
  if (identity === undefined) throw new Error("the call has no caller");
  return identity;
}

/** The principal that calls, for handlers. */
export function principalOf(context: HandlerContext): Principal {
  return callerOf(context).principal;
}

/** Names the request in log lines; set by the mount. */
export const requestIdKey = createContextKey<string>("", { description: "the request's id" });
