import { create } from "@bufbuild/protobuf";
import { type GenerationConfig, GenerationConfigSchema } from "../../../src/gen/chat/chat_pb.ts";

/** The numbers of a GenerationConfig that the dialog offers, with their bounds in the contract. */
export const numberFields = [
  {
    name: "temperature",
    label: "Temperature",
    hint: "0 is sober, 2 is wild",
    min: 0,
    max: 2,
    step: 0.1,
  },
  {
    name: "topP",
    label: "Top P",
    hint: "Share of likely words, 0 to 1",
    min: 0,
    max: 1,
    step: 0.05,
  },
  {
    name: "maxOutputTokens",
    label: "Longest reply",
    hint: "Tokens",
    min: 1,
    max: 1_000_000,
    step: 1,
  },
  {
    name: "thinkingTokensMax",
    label: "Longest thinking",
    hint: "Tokens; 0 for none",
    min: 0,
    max: 1_000_000,
    step: 1,
  },
  {
    name: "seed",
    label: "Seed",
    hint: "The same one asks for the same reply",
    min: 0,
    max: 2_147_483_647,
    step: 1,
  },
] as const;

export type NumberFieldName = (typeof numberFields)[number]["name"];

/** What the dialog's fields hold: texts, empty where the choice is the model's. */
export type GenerationForm = Readonly<Record<NumberFieldName, string>> & {
  readonly includeThoughts: boolean;
};

/** The form of a config. */
export function formOf(config: GenerationConfig | undefined): GenerationForm {
  const texts = numberFields.map(({ name }) => [name, String(config?.[name] ?? "")]);
  return {
    ...(Object.fromEntries(texts) as Record<NumberFieldName, string>),
    includeThoughts: config?.includeThoughts ?? false,
  };
}

/** The config with what the form says; fields that it does not have stay as they are. */
export function configOf(
  form: GenerationForm,
  before: GenerationConfig | undefined,
): GenerationConfig {
  const config = create(GenerationConfigSchema, before ?? {});
  for (const { name } of numberFields) {
    if (form[name].trim() === "") delete config[name];
    else config[name] = Number(form[name]);
  }
  if (form.includeThoughts) config.includeThoughts = true;
  else delete config.includeThoughts;
  return config;
}
