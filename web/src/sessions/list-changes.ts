import { createConnectQueryKey } from "@connectrpc/connect-query";
import type { QueryClient } from "@tanstack/react-query";
import { type ChatResponse, ChatService } from "../../../src/gen/chat/chat_pb.ts";

/** How long changes are gathered before the list is read again, milliseconds. */
const gatherMs = 60;

/** Reads the lists of sessions again when one of them has changed. */
export function createListChanges(queries: QueryClient) {
  const schema = ChatService.method.listSessions;
  let isPlanned = false;
  const refresh = () => {
    isPlanned = false;
    return queries.invalidateQueries({
      queryKey: createConnectQueryKey({ schema, cardinality: undefined }),
    });
  };
  return {
    /** `list`: anything may have changed, as changes are not told while no stream is open. */
    tell(_change: ChatResponse | "list"): void {
      if (isPlanned) return;
      isPlanned = true;
      setTimeout(() => void refresh(), gatherMs);
    },
    /** Reads them now; resolves when that is done, or has failed. */
    refresh,
  };
}
