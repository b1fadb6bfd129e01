import type { ChatError } from "../chat/errors.ts";
import type { Event } from "../chat/event.ts";
import { finishReasonName, turnFailure } from "./convert.ts";

/** Sums over the turns of one call, for its trailers (DESIGN section 1). */
export interface ChatTotals {
  /** Takes what the call delivers; only ends count. */
  add(event: Event): void;
  /** How the turn that ended last has failed, if it has. */
  failure(): ChatError | undefined;
}

/** Keeps the trailers up to date, so that they are right however the call ends. */
export function createChatTotals(trailer: Headers): ChatTotals {
  let turns = 0;
  let chunks = 0;
  let processingMs = 0;
  let inputTokens = 0;
  let outputTokens = 0;
  let failure: ChatError | undefined;
  const write = () => {
    trailer.set("chat-turns", String(turns));
    trailer.set("chat-total-chunks", String(chunks));
    trailer.set("chat-processing-time-ms", String(processingMs));
    trailer.set("chat-input-tokens", String(inputTokens));
    trailer.set("chat-output-tokens", String(outputTokens));
  };
  write();
  return {
    add(event) {
      if (event.type !== "end") return;
      turns += 1;
      chunks += event.totalChunks;
      processingMs += event.processingMs;
      inputTokens += event.usage.inputTokens;
      outputTokens += event.usage.outputTokens;
      trailer.set("chat-finish-reason", finishReasonName(event.finishReason));
      write();
      failure = turnFailure(event.turnId, event);
    },
    failure: () => failure,
  };
}
