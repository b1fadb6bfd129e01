import type {
  Content,
  GenerateContentConfig,
  GenerateContentParameters,
  Part,
} from "@google/genai";
import type { Part as ChatPart } from "../chat/message.ts";
import { ModelError, type ModelInfo, type ModelRequest } from "../chat/model.ts";
import type { GenerationConfig } from "../chat/session.ts";

/**
 * What `models.generateContentStream` is given. `backend` decides on `store`: the Gemini API keeps requests
 * of paid projects unless told not to (ai.google.dev/gemini-api/docs/logs-datasets), and on Vertex AI,
 * which has no such field, the SDK throws on it.
 */
export function toGeminiRequest(
  info: ModelInfo,
  request: ModelRequest,
  backend: "gemini" | "vertex",
  abortSignal: AbortSignal,
): GenerateContentParameters {
  const { systemInstruction, messages, generation, traceParent } = request;
  const config: GenerateContentConfig = {
    abortSignal,
    // On by default: the SDK would go on by itself at a token limit, and each hop is billed.
    automaticContinuation: false,
    maxOutputTokens: Math.min(
      generation.maxOutputTokens ?? info.outputTokensMax,
      info.outputTokensMax,
    ),
    ...samplingOf(generation),
    ...formatOf(generation),
    ...thinkingOf(generation),
  };
  if (backend === "gemini") config.store = false;
  if (traceParent !== undefined) config.httpOptions = { headers: { traceparent: traceParent } };
  if (systemInstruction !== "") config.systemInstruction = { parts: [{ text: systemInstruction }] };
  return { model: info.modelId, contents: toContents(messages), config };
}

/**
 * The history in Gemini's words. Thoughts are never sent back; a text part goes back as it came, with its
 * thoughtSignature. Neighbours of the same role become one content, since turns have to alternate there.
 */
export function toContents(messages: ModelRequest["messages"]): Content[] {
  const contents: { role: string; parts: Part[] }[] = [];
  for (const { role, parts } of messages) {
    const given = parts.flatMap(toGeminiPart);
    const last = contents.at(-1);
    if (last?.role === role) last.parts.push(...given);
    else if (given.length > 0) contents.push({ role, parts: given });
  }
  return contents;
}

function toGeminiPart(part: ChatPart): Part[] {
  if (part.type === "thought") return [];
  if (part.signature !== undefined) return [{ text: part.text, thoughtSignature: part.signature }];
  return part.text === "" ? [] : [{ text: part.text }];
}

function samplingOf({ temperature, topP, topK, seed, stopSequences }: GenerationConfig) {
  return {
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(topK !== undefined && { topK }),
    ...(seed !== undefined && { seed }),
    ...(stopSequences?.length && { stopSequences: [...stopSequences] }),
  };
}

function formatOf({ responseJsonSchema }: GenerationConfig): GenerateContentConfig {
  if (!responseJsonSchema) return {};
  return {
    responseMimeType: "application/json",
    responseJsonSchema: parseSchema(responseJsonSchema),
  };
}

function parseSchema(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const description = "is not JSON";
    throw new ModelError(
      "invalid_argument",
      "MODEL_REFUSED_REQUEST",
      `generation.response_json_schema: ${description}`,
      { fields: [{ field: "generation.response_json_schema", description }], cause },
    );
  }
}

function thinkingOf({
  includeThoughts,
  thinkingTokensMax,
}: GenerationConfig): GenerateContentConfig {
  if (includeThoughts === undefined && thinkingTokensMax === undefined) return {};
  return {
    thinkingConfig: {
      ...(includeThoughts !== undefined && { includeThoughts }),
      ...(thinkingTokensMax !== undefined && { thinkingBudget: thinkingTokensMax }),
    },
  };
}
