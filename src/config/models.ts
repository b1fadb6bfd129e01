import type { Values } from "./settings.ts";

/** How Gemini is reached, and which of its models are offered. */
export type GeminiConfig = {
  readonly access:
    | { readonly type: "key"; readonly apiKey: string }
    | { readonly type: "vertex"; readonly project: string; readonly location: string };
  /** The setting that made it so; for messages. */
  readonly setting: "GEMINI_API_KEY" | "GOOGLE_API_KEY" | "GOOGLE_CLOUD_PROJECT";
  /** Without a last slash. Undefined: Google's own address. */
  readonly baseUrl: string | undefined;
  /** At least one; the first is the default model. */
  readonly models: readonly string[];
};

const eliza = "eliza";
const scriptedPrefix = "scripted:";

/** Gemini as it is configured: by a key, else on Vertex AI by project and location, else not at all. */
export function geminiFrom(values: Values): GeminiConfig | undefined {
  const common = { baseUrl: values.GEMINI_BASE_URL, models: values.GEMINI_MODELS };
  for (const setting of ["GEMINI_API_KEY", "GOOGLE_API_KEY"] as const) {
    const apiKey = values[setting];
    if (apiKey !== undefined) {
      return Object.freeze({ access: Object.freeze({ type: "key", apiKey }), setting, ...common });
    }
  }
  const { GOOGLE_CLOUD_PROJECT: project, GOOGLE_CLOUD_LOCATION: location } = values;
  if (project === undefined || location === undefined) return undefined;
  const access = Object.freeze({ type: "vertex", project, location } as const);
  return Object.freeze({ access, setting: "GOOGLE_CLOUD_PROJECT", ...common });
}

/** The default model's id and why, in words that follow "because" (DESIGN section 5). */
export function chooseDefaultModel(values: Values): { modelId: string; reason: string } {
  const asked = values.DEFAULT_MODEL;
  if (asked !== undefined) {
    return { modelId: resolve(asked, values), reason: `DEFAULT_MODEL is ${asked}` };
  }
  const gemini = geminiFrom(values);
  const [first] = gemini?.models ?? [];
  if (gemini !== undefined && first !== undefined) {
    return { modelId: first, reason: `${gemini.setting} is set` };
  }
  return { modelId: eliza, reason: "no GEMINI_API_KEY is set (Eliza works offline)" };
}

/** What is wrong with DEFAULT_MODEL and MODEL_ALIASES: each must lead to a model that there is. */
export function modelProblems(values: Values): string[] {
  const problems: string[] = [];
  const offered = [eliza, ...(geminiFrom(values)?.models ?? [])];
  for (const [alias, modelId] of Object.entries(values.MODEL_ALIASES ?? {})) {
    if (isOffered(alias, values, offered)) {
      problems.push(`MODEL_ALIASES: "${alias}" is the name of a model already`);
    }
    if (!isOffered(modelId, values, offered)) {
      problems.push(`MODEL_ALIASES: "${alias}" leads to ${unknown(modelId, values, offered)}`);
    }
  }
  const asked = values.DEFAULT_MODEL;
  if (asked !== undefined && !isAlias(asked, values) && !isOffered(asked, values, offered)) {
    problems.push(`DEFAULT_MODEL is ${unknown(asked, values, offered)}`);
  }
  return problems;
}

function isAlias(modelId: string, values: Values): boolean {
  return Object.hasOwn(values.MODEL_ALIASES ?? {}, modelId);
}

function resolve(modelId: string, values: Values): string {
  return (isAlias(modelId, values) ? values.MODEL_ALIASES?.[modelId] : undefined) ?? modelId;
}

function isOffered(modelId: string, values: Values, offered: readonly string[]): boolean {
  return offered.includes(modelId) || (values.SCRIPTED_MODEL && modelId.startsWith(scriptedPrefix));
}

/** Says that a model is not there, which are, and what would add it. */
function unknown(modelId: string, values: Values, offered: readonly string[]): string {
  const known = `"${modelId}", and there is no such model; there are: ${offered.join(", ")}`;
  if (modelId.startsWith(scriptedPrefix)) return `${known}. SCRIPTED_MODEL=1 adds it`;
  if (!modelId.startsWith("gemini-")) return known;
  return geminiFrom(values) === undefined
    ? `${known}. GEMINI_API_KEY and GEMINI_MODELS add it`
    : `${known}. GEMINI_MODELS adds it`;
}
