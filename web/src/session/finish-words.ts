import { FinishReason } from "../../../src/gen/chat/chat_pb.ts";

/** How a reply ended, in words; undefined where it ended as replies should. */
export type FinishWords = { readonly title: string; readonly detail: string } | undefined;

/** Says how a turn ended and what may help. */
export function finishWords(finishReason: FinishReason, errorReason: string): FinishWords {
  return byReason[errorReason] ?? byFinish[finishReason];
}

/** What the server says of an error, where that is more than our own words: an unknown reason, a number, a name. */
export function wordsOfServer(errorReason: string, errorMessage: string): string {
  const isSaid = byReason[errorReason] !== undefined && !/[\d"]/.test(errorMessage);
  return isSaid ? "" : errorMessage;
}

const interrupted: FinishWords = {
  title: "Interrupted",
  detail: "The server stopped in mid reply. What had arrived is kept.",
};

const incomplete: FinishWords = {
  title: "Broke off",
  detail: "The model stopped without saying why. Continue, or ask again.",
};

const byFinish: Readonly<Partial<Record<FinishReason, FinishWords>>> = {
  [FinishReason.MAX_TOKENS]: {
    title: "Cut at its longest",
    detail: "The reply reached the most it may have. Continue to get the rest.",
  },
  [FinishReason.SAFETY]: {
    title: "Blocked by the provider",
    detail: "The provider's safety filter stopped this reply. Try other words.",
  },
  [FinishReason.CANCELLED]: { title: "Stopped", detail: "What had arrived is kept." },
  [FinishReason.INTERRUPTED]: interrupted,
  [FinishReason.INCOMPLETE]: incomplete,
  [FinishReason.TIMEOUT]: {
    title: "Took too long",
    detail: "The model was silent for longer than the server waits.",
  },
  [FinishReason.FAILED]: {
    title: "The model failed",
    detail: "Ask again, or choose another model.",
  },
  [FinishReason.OTHER]: { title: "Ended early", detail: "The provider gave a reason of its own." },
};

const byReason: Readonly<Record<string, FinishWords>> = {
  SERVER_STOPPED: interrupted,
  MODEL_INCOMPLETE: incomplete,
  MODEL_UNAVAILABLE: {
    title: "The model is unavailable",
    detail: "Its provider is down. Try again.",
  },
  MODEL_OVERLOADED: { title: "The model is overloaded", detail: "Try again in a moment." },
  MODEL_UNREACHABLE: {
    title: "The model cannot be reached",
    detail: "The server has no way to it.",
  },
  MODEL_RATE_LIMITED: {
    title: "Quota used up",
    detail: "The provider asks us to wait. Try again later.",
  },
  MODEL_RETIRED: { title: "The model is gone", detail: "Its provider retired it. Choose another." },
  MODEL_KEY_REJECTED: {
    title: "The provider refused the server's key",
    detail: "Whoever runs this server has to mend it.",
  },
  MODEL_FIRST_CHUNK_TIMEOUT: {
    title: "No answer came",
    detail: "The model did not begin within the server's time.",
  },
};
