import { useEffect, useState } from "react";
import { useApp, useObservable } from "../app-context.ts";

/** A connection that comes back sooner is not worth a word, milliseconds. */
const patienceMs = 900;

/** Says when the server cannot be heard; what is missed comes by itself once it can. */
export function ConnectionBanner() {
  const { connection, chat } = useApp();
  const change = useObservable(connection);
  const isOnline = useOnline();
  const isLost = change.state === "lost" || change.state === "connecting";
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    setLong(false);
    if (!isLost) return;
    const timer = setTimeout(() => setLong(true), patienceMs);
    return () => clearTimeout(timer);
  }, [isLost]);
  const words = bannerWords({
    isOnline,
    isLong: isLost && isLong,
    isDraining: change.state === "draining",
  });
  return (
    <div className="banner" role="status" data-shown={words !== "" || undefined}>
      {words !== "" && (
        <p>
          <span className="pulse" aria-hidden="true" />
          {words}
          {isOnline && isLost && (
            <button type="button" className="quiet" onClick={() => chat.wake()}>
              Try now
            </button>
          )}
        </p>
      )}
    </div>
  );
}

function bannerWords(state: { isOnline: boolean; isLong: boolean; isDraining: boolean }): string {
  if (!state.isOnline) return "You are offline. This chat goes on by itself when you are back.";
  if (state.isLong) return "The server cannot be heard. Trying again…";
  return state.isDraining ? "The server is about to restart. Nothing is lost." : "";
}

function useOnline(): boolean {
  const [isOnline, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const look = () => setOnline(navigator.onLine);
    window.addEventListener("online", look);
    window.addEventListener("offline", look);
    return () => {
      window.removeEventListener("online", look);
      window.removeEventListener("offline", look);
    };
  }, []);
  return isOnline;
}
