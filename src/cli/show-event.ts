import {
  type ChatResponse,
  ChatResponse_Type as EventType,
  FinishReason,
} from "../gen/chat/chat_pb.ts";
import { explainReason } from "./explain.ts";
import type { Screen } from "./screen.ts";

/** How a turn ended, as far as its events tell. */
export type TurnEnd = "complete" | "failed" | "cancelled";

/** Shows one event of a turn; returns how the turn ended where the event is its end. */
export async function showEvent(screen: Screen, event: ChatResponse): Promise<TurnEnd | undefined> {
  switch (event.type) {
    case EventType.CHUNK:
      await (event.thought ? screen.thought(event.chunkText) : screen.reply(event.chunkText));
      return undefined;
    case EventType.RESPONSE_COMPLETE:
      await screen.endLine();
      return showCompletion(screen, event.finishReason);
    case EventType.ERROR: {
      const { errorMessage, errorReason, retryable, retryAfterMs } = event;
      const message = errorMessage || "the turn failed";
      await screen.note(explainReason(message, errorReason, retryable, retryAfterMs));
      return "failed";
    }
    default:
      return undefined;
  }
}

async function showCompletion(screen: Screen, reason: FinishReason): Promise<TurnEnd> {
  switch (reason) {
    case FinishReason.CANCELLED:
      await screen.note("cancelled; what had arrived is kept in the session");
      return "cancelled";
    case FinishReason.SAFETY:
      await screen.note("the model's provider blocked the reply (SAFETY)");
      return "failed";
    case FinishReason.MAX_TOKENS:
      await screen.note("the reply ends here because it reached its token limit (MAX_TOKENS)");
      return "complete";
    default:
      return "complete";
  }
}
