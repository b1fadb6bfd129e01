import type { GoogleGenAI } from "@google/genai";
import type { ProviderCheck } from "../chat/model.ts";
import { type GeminiErrorContext, toModelError } from "./gemini-errors.ts";
import { proxyVariables } from "./proxy-fetch.ts";

/**
 * Asks for the model's description: authenticated, free of charge, and it tells whether the model is still
 * there. Never throws; an abort counts as not reached.
 */
export async function checkGemini(
  client: GoogleGenAI,
  context: GeminiErrorContext & { vertex: boolean },
  signal: AbortSignal,
): Promise<ProviderCheck> {
  const { modelId } = context;
  try {
    signal.throwIfAborted();
    await client.models.get({ model: modelId, config: { abortSignal: signal } });
    return { outcome: "accepted", detail: `the key is accepted, and ${modelId} is there` };
  } catch (error) {
    return signal.aborted ? unreachable("it did not answer in time") : explain(error, context);
  }
}

function explain(error: unknown, context: GeminiErrorContext & { vertex: boolean }): ProviderCheck {
  const failure = toModelError(error, context);
  switch (failure.reason) {
    case "MODEL_KEY_REJECTED":
      return {
        outcome: "rejected",
        detail: "the key is not accepted",
        advice: keyAdvice(context.vertex),
      };
    case "MODEL_RETIRED":
      return {
        outcome: "rejected",
        detail: `there is no model ${context.modelId}`,
        advice: "set GEMINI_MODELS to models of https://ai.google.dev/gemini-api/docs/models",
      };
    case "MODEL_RATE_LIMITED":
      return {
        outcome: "accepted",
        detail: `the key is accepted, but limited for now: ${failure.message}`,
      };
    case "MODEL_REFUSED_REQUEST":
      return { outcome: "rejected", detail: failure.message, advice: keyAdvice(context.vertex) };
    case "MODEL_UNREACHABLE":
      return unreachable(reasonOf(error));
    default:
      return { outcome: "unreachable", detail: failure.message, advice: "it may pass by itself" };
  }
}

function keyAdvice(vertex: boolean): string {
  return vertex
    ? "sign in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
    : "make a key at https://aistudio.google.com/apikey and set GEMINI_API_KEY to it";
}

function unreachable(detail: string): ProviderCheck {
  const set = proxyVariables();
  const advice =
    set.length > 0
      ? `check the network, and the proxy in ${set.join(", ")} (NO_PROXY lists what goes past it)`
      : "check the network; behind a proxy set HTTPS_PROXY";
  return { outcome: "unreachable", detail, advice };
}

/** The code of the system (ENOTFOUND, ECONNREFUSED …) where there is one. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const { code, message } = (cause ?? {}) as { code?: string; message?: string };
  return `it cannot be reached: ${code ?? (message || "no connection")}`;
}
