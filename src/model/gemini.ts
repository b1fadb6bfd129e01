import { GoogleGenAI, type GoogleGenAIOptions } from "@google/genai";
import type {
  Model,
  ModelFinishReason,
  ModelInfo,
  ModelPart,
  ModelProvider,
} from "../chat/model.ts";
import { checkGemini } from "./gemini-check.ts";
import { toModelError } from "./gemini-errors.ts";
import { toGeminiRequest } from "./gemini-request.ts";
import { readChunk } from "./gemini-response.ts";
import { createProxyFetch, type Fetch } from "./proxy-fetch.ts";
import { type RetryOptions, withRetries } from "./retry.ts";

export type GeminiOptions = Omit<RetryOptions, "onRetry"> & {
  /** For the Gemini API. This or `vertex`. */
  apiKey?: string | undefined;
  /** For Vertex AI; credentials are Google's default ones unless `auth` says otherwise. */
  vertex?:
    | { project: string; location: string; auth?: GoogleGenAIOptions["googleAuthOptions"] }
    | undefined;
  /** Without the version: https://generativelanguage.googleapis.com */
  baseUrl?: string | undefined;
  /** The ids to offer; the first is asked for by `check`. At least one. */
  models: readonly string[];
  /** By default one that honours the proxy variables of the environment. */
  fetch?: Fetch | undefined;
  /** Told before each pause of a retry. */
  log?: ((message: string, details: Record<string, unknown>) => void) | undefined;
};

/** Pinned, so that neither an update of the SDK nor GOOGLE_GENAI_API_VERSION changes what we speak. */
const apiVersions = { gemini: "v1", vertex: "v1beta1" } as const;

const geminiUrl = "https://generativelanguage.googleapis.com";

/** The current models' (ai.google.dev/gemini-api/docs/models); a request may ask for less. */
const limits = { contextTokensMax: 1_048_576, outputTokensMax: 65_536 } as const;

/**
 * Gemini, by its API or by Vertex AI, over `models.generateContentStream`. Throws where neither a key nor a
 * project is given, or where the key cannot be sent as a header.
 */
export function createGeminiProvider(options: GeminiOptions): ModelProvider {
  const client = createClient(options);
  const models = options.models.map((modelId) => createGeminiModel(modelId, client, options));
  const [first = ""] = options.models;
  const context = { modelId: first, apiKey: options.apiKey, vertex: options.vertex !== undefined };
  return {
    name: "gemini",
    models,
    model: (modelId) => models.find(({ info }) => info.modelId === modelId),
    check: (signal) => checkGemini(client, context, signal),
  };
}

function createClient({ apiKey, vertex, baseUrl, fetch }: GeminiOptions): GoogleGenAI {
  // No timeout: the SDK's would bound the whole stream. No retryOptions: they know no RetryInfo.
  const httpOptions = { fetch: fetch ?? createProxyFetch() };
  if (vertex) {
    const { project, location, auth } = vertex;
    return new GoogleGenAI({
      enterprise: true,
      project,
      location,
      apiVersion: apiVersions.vertex,
      ...(auth && { googleAuthOptions: auth }),
      httpOptions: { ...httpOptions, ...(baseUrl && { baseUrl }) },
    });
  }
  if (!apiKey) throw new Error("Gemini needs an API key, or a project and a location of Vertex AI");
  if (!/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new Error(
      "the Gemini API key has characters that no key has: spaces, quotes or line ends?",
    );
  }
  return new GoogleGenAI({
    enterprise: false,
    apiKey,
    apiVersion: apiVersions.gemini,
    httpOptions: { ...httpOptions, baseUrl: baseUrl || geminiUrl },
  });
}

function createGeminiModel(modelId: string, client: GoogleGenAI, options: GeminiOptions): Model {
  const info: ModelInfo = {
    modelId,
    displayName: modelId,
    provider: "gemini",
    ...limits,
    supportsAttachments: false,
    supportsThoughts: true,
  };
  const backend = options.vertex ? "vertex" : "gemini";
  const context = { modelId, apiKey: options.apiKey };
  const onRetry: RetryOptions["onRetry"] = ({ attempt, delayMs, error }) =>
    options.log?.("Gemini failed before its reply began; trying again", {
      model: modelId,
      attempt,
      delayMs,
      reason: error.reason,
    });

  return {
    info,
    async *generate(request, signal) {
      if (signal.aborted) return;
      // Our own, as the SDK leaves the response open when its consumer just stops (js-genai issue 1918).
      const call = new AbortController();
      const abort = () => call.abort();
      signal.addEventListener("abort", abort, { once: true });
      try {
        const given = toGeminiRequest(info, request, backend, call.signal);
        const attempt = () => readReply(client.models.generateContentStream(given));
        yield* withRetries(() => inOurWords(attempt(), context), call.signal, {
          ...options,
          onRetry,
        });
      } catch (error) {
        if (!call.signal.aborted) throw error;
      } finally {
        signal.removeEventListener("abort", abort);
        call.abort();
      }
    },
  };
}

type Responses = Parameters<typeof readChunk>[0];

/**
 * The parts of one reply. The finish is kept to the end, since some models name a reason on every chunk; a
 * connection that breaks after it has broken nothing.
 */
async function* readReply(opening: Promise<AsyncIterable<Responses>>): AsyncGenerator<ModelPart> {
  let reason: ModelFinishReason | undefined;
  try {
    for await (const response of await opening) {
      const { parts, finish } = readChunk(response);
      reason = finish ?? reason;
      yield* parts;
    }
  } catch (error) {
    if (reason === undefined) throw error;
  }
  if (reason !== undefined) yield { type: "finish", reason };
}

async function* inOurWords(
  parts: AsyncIterable<ModelPart>,
  context: Parameters<typeof toModelError>[1],
): AsyncGenerator<ModelPart> {
  try {
    yield* parts;
  } catch (error) {
    throw toModelError(error, context);
  }
}
