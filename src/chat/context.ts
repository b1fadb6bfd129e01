import { type Message, textOf } from "./message.ts";
import type { ModelInfo, ModelRequest } from "./model.ts";
import type { Store } from "./store.ts";
import { estimatePartTokens, estimateTokens } from "./tokens.ts";
import type { Turn } from "./turn.ts";

/** What a model is given, and what that is likely to cost. */
export type Context = { request: ModelRequest; inputTokens: number };

/** Messages read from the store at a time. */
const pageSize = 100;

/**
 * Builds a turn's context: the history that fits the model's window, newest kept, the system instruction
 * always, and the turn's own message always (DESIGN section 2, rule 14). A turn that was blocked, and one
 * that ended without a reply, is left out with its question, so that it poisons nothing that follows.
 */
export async function buildContext(store: Store, turn: Turn, model: ModelInfo): Promise<Context> {
  const own = turn.userMessage;
  let inputTokens = estimateTokens(turn.systemInstruction) + estimatePartTokens(own.parts);
  const budget = inputTokensMax(model, turn.generation.maxOutputTokens);
  const newestFirst: Message[] = [own];

  for await (const exchange of pastExchanges(store, turn)) {
    const cost = exchange.reduce((sum, { parts }) => sum + estimatePartTokens(parts), 0);
    if (inputTokens + cost > budget) break;
    inputTokens += cost;
    newestFirst.push(...exchange);
  }
  const messages = newestFirst.reverse().map(({ role, parts }) => ({ role, parts }));
  const { systemInstruction, generation } = turn;
  return { request: { systemInstruction, messages, generation }, inputTokens };
}

/** The window less what the reply may take, and never less than half of it. */
function inputTokensMax(model: ModelInfo, maxOutputTokens: number | undefined): number {
  const reply = Math.min(maxOutputTokens ?? model.outputTokensMax, model.outputTokensMax);
  return Math.max(model.contextTokensMax - reply, Math.floor(model.contextTokensMax / 2));
}

/** The replies given so far with their questions, newest first: each as [reply, question]. */
async function* pastExchanges(store: Store, turn: Turn): AsyncIterable<[Message, Message]> {
  let pageToken = "";
  let reply: Message | undefined;
  do {
    const page = { pageSize, pageToken, newestFirst: true };
    const { items, nextPageToken } = await store.listMessages(turn.principal, turn.sessionId, page);
    for (const message of items) {
      if (message.role === "model") {
        reply = message;
      } else if (reply?.turnId === message.turnId && isUsable(reply)) {
        yield [withoutThoughts(reply), message];
      }
    }
    pageToken = nextPageToken;
  } while (pageToken !== "");
}

function isUsable(reply: Message): boolean {
  return reply.finishReason !== "safety" && textOf(reply.parts) !== "";
}

function withoutThoughts(reply: Message): Message {
  return { ...reply, parts: reply.parts.filter(({ type }) => type === "text") };
}
