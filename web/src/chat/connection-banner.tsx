import { Code, ConnectError } from "@connectrpc/connect";
import { useEffect, useState } from "react";
import { useApp, useObservable } from "../app-context.ts";
import { errorWords } from "../client/error-words.ts";

/** A connection that comes back sooner is not worth a word, milliseconds. */
const patienceMs = 900;

/** Says when the server is out of reach; what is missed comes by itself once it is back. */
export function ConnectionBanner() {
  const { connection, trouble, chat } = useApp();
  const change = useObservable(connection);
  const error = useObservable(trouble);
  const isOnline = useOnline();
  const isWatchLost = change.state === "lost" || change.state === "connecting";
  // Before there is a watch, and between two, other calls tell.
  const isLost = isWatchLost || (change.state === "closed" && isOutage(error));
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    setLong(false);
    if (!isLost) return;
    const timer = setTimeout(() => setLong(true), patienceMs);
    return () => clearTimeout(timer);
  }, [isLost]);
  const words = bannerWords({
    isOnline,
    error,
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

function bannerWords(state: {
  isOnline: boolean;
  isLong: boolean;
  isDraining: boolean;
  error: unknown;
}): string {
  if (!state.isOnline) return "You are offline. Everything continues once you are back online.";
  if (state.isLong) return `${errorWords(state.error ?? unreached)} Trying again…`;
  return state.isDraining ? "The server is about to restart. Nothing is lost." : "";
}

/** A watch that is lost in the middle is no failed call. */
const unreached = new ConnectError("the connection was lost", Code.Unavailable);

function isOutage(error: unknown): boolean {
  if (error === undefined) return false;
  const { code, isWireError } = ConnectError.from(error);
  return !isWireError || code === Code.Unavailable;
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
