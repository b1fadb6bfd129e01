import { type Caller, localCaller } from "../../src/chat/caller.ts";
import type { Principal } from "../../src/chat/session.ts";

/** A caller without limits of its own. */
export function callerOf(principal: Principal): Caller {
  return { ...localCaller, principal, rateKey: principal };
}
