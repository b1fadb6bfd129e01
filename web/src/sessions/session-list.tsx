import { useInfiniteQuery } from "@connectrpc/connect-query";
import { keepPreviousData } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import { useApp, useObservable } from "../app-context.ts";
import { errorWords } from "../client/error-words.ts";
import { SessionItem } from "./session-item.tsx";

/** Sessions on a page. */
const pageSize = 30;

/** The caller's sessions, the latest first; all of them, or those with the words of a query. */
export function SessionList({ query, currentId }: { query: string; currentId: string }) {
  const { deletions } = useApp();
  const hidden = useObservable(deletions.hidden);
  const list = useInfiniteQuery(
    ChatService.method.listSessions,
    { query, pageSize, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
      placeholderData: keepPreviousData,
    },
  );
  const all = list.data?.pages.flatMap(({ sessions }) => sessions) ?? [];
  // A session that changes while pages are read may be on two of them.
  const unique = new Map(all.map((session) => [session.sessionId, session]));
  const sessions = [...unique.values()].filter(({ sessionId }) => !hidden.has(sessionId));
  return (
    <div className="session-list" aria-busy={list.isFetching}>
      {list.isError && sessions.length === 0 && (
        <p className="list-note" role="alert">
          {errorWords(list.error)}{" "}
          <button type="button" className="quiet" onClick={() => void list.refetch()}>
            Try again
          </button>
        </p>
      )}
      {list.isSuccess && sessions.length === 0 && (
        <p className="list-note">
          {query === "" ? "Your chats will be listed here." : "No chat has these words."}
        </p>
      )}
      <ul>
        {sessions.map((session) => (
          <SessionItem
            key={session.sessionId}
            session={session}
            isCurrent={session.sessionId === currentId}
          />
        ))}
      </ul>
      {list.hasNextPage && (
        <NextPage isLoading={list.isFetchingNextPage} onShow={list.fetchNextPage} />
      )}
    </div>
  );
}

/** Reads on when it is scrolled into view; a button for those who do not scroll. */
function NextPage({ isLoading, onShow }: { isLoading: boolean; onShow: () => Promise<unknown> }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (isLoading || button.current === null) return;
    const observer = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting) void onShow();
    });
    observer.observe(button.current);
    return () => observer.disconnect();
  }, [isLoading, onShow]);
  return (
    <button
      ref={button}
      type="button"
      className="quiet next-page"
      disabled={isLoading}
      onClick={() => void onShow()}
    >
      {isLoading ? "Reading more…" : "More"}
    </button>
  );
}
