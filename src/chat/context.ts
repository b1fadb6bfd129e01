import { type Message, type Part, type Role, textOf } from "./message.ts";
import type { ModelInfo, ModelRequest } from "./model.ts";
import type { Store } from "./store.ts";
import { estimatePartTokens, estimateTokens } from "./tokens.ts";
import type { Turn } from "./turn.ts";

/** What a model is given, and what that is likely to cost. */
export type Context = { request: ModelRequest; inputTokens: number };

/** Messages read from the store at a time. */
const pageSize = 100;

/** What asks a model to go on with its last message; providers differ in whether one may end in it. */
const goOn = "Continue exactly where your last message stopped, and repeat nothing of it.";

type Given = { role: Role; parts: readonly Part[] };

/**
 * Builds a turn's context: the history that fits the model's window, newest kept, the system instruction
 * always, and the turn's own question always (DESIGN section 2, rule 14). A turn that was blocked, and one
 * that ended without a reply, is left out with its question, so that it poisons nothing that follows.
 */
export async function buildContext(store: Store, turn: Turn, model: ModelInfo): Promise<Context> {
  const own = await ownMessages(store, turn);
  let inputTokens = estimateTokens(turn.systemInstruction) + costOf(own);
  const budget = inputTokensMax(model, turn.generation.maxOutputTokens);
  const newestFirst: Given[] = own.toReversed();

  for await (const exchange of exchangesBefore(store, turn)) {
    const cost = costOf(exchange);
    if (inputTokens + cost > budget) break;
    inputTokens += cost;
    newestFirst.push(...exchange);
  }
  const messages = newestFirst.reverse().map(({ role, parts }) => ({ role, parts }));
  const { systemInstruction, generation } = turn;
  return { request: { systemInstruction, messages, generation }, inputTokens };
}

/** The question; where the turn extends a reply, that and the wish for more. */
async function ownMessages(store: Store, turn: Turn): Promise<Given[]> {
  if (turn.type !== "continue") return [turn.userMessage];
  const reply = await store.getMessage(turn.principal, turn.sessionId, turn.replyMessageId);
  // Of a reply that is all thoughts there is nothing to go on from.
  if (!reply || textOf(reply.parts) === "") return [turn.userMessage];
  const wish: Given = { role: "user", parts: [{ type: "text", text: goOn }] };
  return [turn.userMessage, withoutThoughts(reply), wish];
}

/** The window less what the reply may take, and never less than half of it. */
function inputTokensMax(model: ModelInfo, maxOutputTokens: number | undefined): number {
  const reply = Math.min(maxOutputTokens ?? model.outputTokensMax, model.outputTokensMax);
  return Math.max(model.contextTokensMax - reply, Math.floor(model.contextTokensMax / 2));
}

/** The questions before the turn's with their replies, newest first: each as [reply, question]. */
async function* exchangesBefore(store: Store, turn: Turn): AsyncIterable<[Message, Message]> {
  let pageToken = "";
  let reachedOwn = false;
  let reply: Message | undefined;
  do {
    const page = { pageSize, pageToken, newestFirst: true, includeReplaced: false };
    const { items, nextPageToken } = await store.listMessages(turn.principal, turn.sessionId, page);
    for (const message of items) {
      if (!reachedOwn) {
        reachedOwn = message.messageId === turn.userMessage.messageId;
      } else if (message.role === "model") {
        reply = message;
      } else {
        if (reply && isUsable(reply)) yield [withoutThoughts(reply), message];
        reply = undefined;
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

function costOf(messages: readonly Given[]): number {
  return messages.reduce((sum, { parts }) => sum + estimatePartTokens(parts), 0);
}
