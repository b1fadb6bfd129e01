import * as parse from "../parse.ts";
import { list } from "../parse.ts";
import { optional, type Settings, withDefault } from "../setting.ts";

const group = "Models";

/** The models that are offered. */
export const modelsSettings = {
  DEFAULT_MODEL: optional(
    group,
    "id",
    parse.plainText,
    "Model of a session that names none; else Gemini where it is configured, else eliza",
  ),
  GEMINI_API_KEY: optional(
    group,
    "key",
    parse.key,
    "Key of the Gemini API, from https://aistudio.google.com/apikey",
    true,
  ),
  GOOGLE_API_KEY: optional(
    group,
    "key",
    parse.key,
    "The same under its other name; GEMINI_API_KEY comes first",
    true,
  ),
  GEMINI_BASE_URL: optional(
    group,
    "url",
    parse.baseUrl,
    "Where the Gemini API is, when it is not Google's own address",
  ),
  GEMINI_MODELS: withDefault(
    group,
    "gemini-3.8-flash",
    "a,b",
    list(parse.plainText),
    "Gemini models to offer; the first is the default model",
  ),
  GOOGLE_CLOUD_PROJECT: optional(
    group,
    "id",
    parse.plainText,
    "With GOOGLE_CLOUD_LOCATION and no key: Gemini on Vertex AI in this project",
  ),
  GOOGLE_CLOUD_LOCATION: optional(
    group,
    "name",
    parse.plainText,
    "Where on Vertex AI, such as global or europe-west4",
  ),
  MODEL_ALIASES: optional(
    group,
    "a=b,…",
    parse.aliases,
    "Other names for group, such as fast=gemini-3.5-flash-lite",
  ),
  SCRIPTED_MODEL: withDefault(
    group,
    "0",
    "",
    parse.boolean,
    "Offer the model for tests and load that does what its id says, such as scripted:50x20",
  ),
  ELIZA_WORDS_PER_SECOND: withDefault(
    group,
    "12",
    "n",
    parse.decimal(0, 10_000),
    "How fast Eliza speaks; 0 is at once",
  ),
} as const satisfies Settings;
