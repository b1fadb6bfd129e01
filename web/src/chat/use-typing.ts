import { useEffect, useState } from "react";
import type { SessionView } from "../session/session-view.ts";

/** How long somebody counts as writing when the end of it is not told, milliseconds. */
const fadeMs = 10_000;

/** Whether somebody else writes in the session; it fades by itself. */
export function useTyping({
  isTyping,
  typingTold,
}: Pick<SessionView, "isTyping" | "typingTold">): boolean {
  const [isFaded, setFaded] = useState(false);
  useEffect(() => {
    setFaded(false);
    if (!isTyping) return;
    const timer = setTimeout(() => setFaded(true), fadeMs);
    return () => clearTimeout(timer);
  }, [isTyping, typingTold]);
  return isTyping && !isFaded;
}
