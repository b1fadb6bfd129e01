import type { Part, Usage } from "./message.ts";

export const noUsage: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  thinkingTokens: 0,
  cachedTokens: 0,
  totalTokens: 0,
  estimated: false,
};

/** Tokens that a text is likely to cost: four bytes each, the usual rule of thumb. */
export function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text, "utf8") / 4);
}

/** The same for a message's content. */
export function estimatePartTokens(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + estimateTokens(part.text), 0);
}

/** What a turn is likely to have cost, where the provider did not say. */
export function estimateUsage(inputTokens: number, reply: readonly Part[]): Usage {
  const outputTokens = estimatePartTokens(reply.filter(({ type }) => type === "text"));
  const thinkingTokens = estimatePartTokens(reply.filter(({ type }) => type === "thought"));
  return {
    inputTokens,
    outputTokens,
    thinkingTokens,
    cachedTokens: 0,
    totalTokens: inputTokens + outputTokens + thinkingTokens,
    estimated: true,
  };
}
