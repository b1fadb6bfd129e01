import type {
  GenerateContentResponse,
  GenerateContentResponseUsageMetadata,
  Part,
} from "@google/genai";
import type { Usage } from "../chat/message.ts";
import type { ModelFinishReason, ModelPart } from "../chat/model.ts";

/**
 * Gemini's words for a stop that we tell apart. Its list grows (ai.google.dev/api/generate-content#FinishReason);
 * what is not here is `other`, RECITATION and LANGUAGE among it. CONTINUATION is a limit of tokens per call.
 */
const finishReasons = {
  STOP: "stop",
  MAX_TOKENS: "max_tokens",
  CONTINUATION: "max_tokens",
  SAFETY: "safety",
  BLOCKLIST: "safety",
  PROHIBITED_CONTENT: "safety",
  SPII: "safety",
  IMAGE_SAFETY: "safety",
  IMAGE_PROHIBITED_CONTENT: "safety",
} as const satisfies Record<string, ModelFinishReason>;

/** One chunk of Gemini's stream: its text, thoughts and usage, in that order, and why it stopped, if it says. */
export function readChunk(response: GenerateContentResponse): {
  parts: ModelPart[];
  finish: ModelFinishReason | undefined;
} {
  const candidate = response.candidates?.[0];
  const parts = (candidate?.content?.parts ?? []).flatMap(toModelPart);
  if (response.usageMetadata) parts.push({ type: "usage", usage: toUsage(response.usageMetadata) });
  // A blocked prompt has no candidate.
  const blocked = isSaid(response.promptFeedback?.blockReason);
  const finish = blocked ? "safety" : toFinishReason(candidate?.finishReason);
  return { parts, finish };
}

function toModelPart({ text = "", thought, thoughtSignature }: Part): ModelPart[] {
  if (thought) return text === "" ? [] : [{ type: "thought", text }];
  // The signature often comes alone, with an empty text, and must go back all the same.
  if (thoughtSignature) return [{ type: "text", text, signature: thoughtSignature }];
  return text === "" ? [] : [{ type: "text", text }];
}

function toFinishReason(reason: string | undefined): ModelFinishReason | undefined {
  if (!isSaid(reason)) return undefined;
  return Object.hasOwn(finishReasons, reason)
    ? finishReasons[reason as keyof typeof finishReasons]
    : "other";
}

function isSaid(reason: string | undefined): reason is string {
  return reason !== undefined && reason !== "" && !reason.endsWith("_UNSPECIFIED");
}

/** Gemini counts from the start of the reply on each chunk, so the last count holds. */
function toUsage(metadata: GenerateContentResponseUsageMetadata): Usage {
  const inputTokens = (metadata.promptTokenCount ?? 0) + (metadata.toolUsePromptTokenCount ?? 0);
  const outputTokens = metadata.candidatesTokenCount ?? 0;
  const thinkingTokens = metadata.thoughtsTokenCount ?? 0;
  return {
    inputTokens,
    outputTokens,
    thinkingTokens,
    cachedTokens: metadata.cachedContentTokenCount ?? 0,
    totalTokens: metadata.totalTokenCount ?? inputTokens + outputTokens + thinkingTokens,
    estimated: false,
  };
}
