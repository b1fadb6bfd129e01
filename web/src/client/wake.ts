import { type ChatClient, errorReason } from "../../../src/client/client.ts";
import type { Observable } from "./observable.ts";

/** How often the server is tried while somebody waits for it, milliseconds. */
const knockMs = 2_000;

/**
 * What `call` comes to. While the server is out of reach the client's waits grow; as long as somebody waits for this
 * call they are cut short, and so is what is left of them when the server is back.
 */
export async function wakeDuring<T>(
  call: Promise<T>,
  { chat, trouble }: { chat: Pick<ChatClient, "wake">; trouble: Observable<unknown> },
): Promise<T> {
  let wasAway = isAway(trouble.get());
  const unsubscribe = trouble.subscribe(() => {
    wasAway ||= isAway(trouble.get());
  });
  // Not at once when another call is served: what wakes may be what is cut off, and begin it all again.
  const timer = setInterval(() => {
    if (wasAway) chat.wake();
    wasAway = isAway(trouble.get());
  }, knockMs);
  try {
    return await call;
  } finally {
    clearInterval(timer);
    unsubscribe();
  }
}

/** A chatwire server that refuses a call gives a reason; how long it asks to wait is to be obeyed. */
function isAway(trouble: unknown): boolean {
  return trouble !== undefined && errorReason(trouble) === undefined;
}
