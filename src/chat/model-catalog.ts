import { ChatError } from "./errors.ts";
import type { Model, ModelProvider } from "./model.ts";

/** A model as a list shows it. */
export type ListedModel = { model: Model; aliases: readonly string[]; isDefault: boolean };

/** All the models of all the providers, by name. */
export interface ModelCatalog {
  readonly defaultModel: Model;
  /**
   * The model of that id or alias; the default for an empty id. Throws `invalid_argument`/MODEL_UNKNOWN,
   * which names the models there are.
   */
  resolve(modelId: string): Model;
  /** Every listed model, and the default even where it is made to order; the default comes first. */
  list(): readonly ListedModel[];
}

export type ModelCatalogOptions = {
  providers: readonly ModelProvider[];
  /** The id of a model, or an alias. */
  defaultModel: string;
  /** Other names (MODEL_ALIASES), each for the id of a model. They win over a model of the same name. */
  aliases?: Readonly<Record<string, string>>;
};

/**
 * The original contract's default. Its provider retired it in June 2026, and existing clients still send
 * it: it means our default unless it is configured (DESIGN section 1).
 */
const originalDefault = "gemini-2.0-flash";

/** Throws where the default, or what an alias stands for, is no model: an error of the configuration. */
export function createModelCatalog({
  providers,
  defaultModel,
  aliases = {},
}: ModelCatalogOptions): ModelCatalog {
  const listed = providers.flatMap(({ models }) => models);
  const find = (modelId: string): Model | undefined => {
    for (const provider of providers) {
      const model = provider.model(modelId);
      if (model) return model;
    }
    return undefined;
  };
  const aliased = new Map(
    Object.entries(aliases).map(([alias, modelId]) => {
      return [
        alias,
        find(modelId) ?? unknownSetting(`the alias ${alias} stands for "${modelId}"`, listed),
      ];
    }),
  );
  const initial =
    aliased.get(defaultModel) ??
    find(defaultModel) ??
    unknownSetting(`the default model is "${defaultModel}"`, listed);
  if (!find(originalDefault) && !aliased.has(originalDefault))
    aliased.set(originalDefault, initial);

  const entry = (model: Model): ListedModel => ({
    model,
    aliases: [...aliased].filter(([, target]) => same(target, model)).map(([alias]) => alias),
    isDefault: same(model, initial),
  });
  const others = listed.filter((model) => !same(model, initial));
  const entries = [initial, ...others].map(entry);

  return {
    defaultModel: initial,
    resolve(modelId) {
      if (modelId === "") return initial;
      return aliased.get(modelId) ?? find(modelId) ?? unknownModel(modelId, entries);
    },
    list: () => entries,
  };
}

function same(one: Model, other: Model): boolean {
  return one.info.modelId === other.info.modelId;
}

function unknownSetting(what: string, listed: readonly Model[]): never {
  const names = listed.map(({ info }) => info.modelId).join(", ");
  throw new Error(`${what}, and there is no such model; there are: ${names}`);
}

function unknownModel(modelId: string, entries: readonly ListedModel[]): never {
  const names = entries.map(({ model }) => model.info.modelId).join(", ");
  const description = `there is no model "${modelId}"; there are: ${names}`;
  throw new ChatError("invalid_argument", "MODEL_UNKNOWN", description, {
    fields: [{ field: "model_id", description }],
    metadata: { model_id: modelId, models: names },
  });
}
