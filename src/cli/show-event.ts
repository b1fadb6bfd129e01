import {
  type ChatResponse,
  ChatResponse_Type as EventType,
  FinishReason,
} from "../gen/chat/chat_pb.ts";
import { explainReason } from "./explain.ts";
import type { Screen } from "./screen.ts";

/** How a turn ended, as far as its events tell. */
export type TurnEnd = "complete" | "failed" | "cancelled";

/** How a turn ended where the event is its end, or the word that it cannot go on. */
export function turnEndOf({ type, finishReason }: ChatResponse): TurnEnd | undefined {
  if (type === EventType.ERROR) return "failed";
  if (type !== EventType.RESPONSE_COMPLETE) return undefined;
  if (finishReason === FinishReason.CANCELLED) return "cancelled";
  return finishReason === FinishReason.SAFETY ? "failed" : "complete";
}

/** Shows one event of a turn; returns how the turn ended where the event is its end. */
export async function showEvent(screen: Screen, event: ChatResponse): Promise<TurnEnd | undefined> {
  switch (event.type) {
    case EventType.CHUNK:
      await (event.thought ? screen.thought(event.chunkText) : screen.reply(event.chunkText));
      break;
    case EventType.RESPONSE_COMPLETE: {
      await screen.endReply();
      const remark = remarks[event.finishReason];
      if (remark !== undefined) await screen.note(remark);
      break;
    }
    case EventType.ERROR: {
      const { errorMessage, errorReason, retryable, retryAfterMs } = event;
      const message = errorMessage || "the turn failed";
      await screen.endReply();
      await screen.note(explainReason(message, errorReason, retryable, retryAfterMs));
      break;
    }
    default:
  }
  return turnEndOf(event);
}

const remarks: Readonly<Partial<Record<FinishReason, string>>> = {
  [FinishReason.CANCELLED]: "cancelled; what had arrived is kept in the session",
  [FinishReason.SAFETY]: "the model's provider blocked the reply (SAFETY)",
  [FinishReason.MAX_TOKENS]: "the reply ends here because it reached its token limit (MAX_TOKENS)",
};
