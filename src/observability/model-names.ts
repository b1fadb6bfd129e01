import { ChatError } from "../chat/errors.ts";
import type { ModelInfo } from "../chat/model.ts";
import type { ModelCatalog } from "../chat/model-catalog.ts";

/** What models are called in metrics and spans. */
export interface ModelNames {
  /**
   * A label for metrics, of which there are no more than models that the server lists, and providers: models that are
   * made to order go by their provider's name (`scripted`), those that are no longer configured are `other`.
   */
  labelOf(modelId: string): string;
  /** The adapter that reaches the model; `other` where it is no longer configured. */
  providerOf(modelId: string): string;
}

export function createModelNames(models: Pick<ModelCatalog, "resolve" | "list">): ModelNames {
  const listed = new Set(
    models
      .list()
      .map(({ model }) => model.info)
      .filter(({ provider }) => provider !== "scripted")
      .map(({ modelId }) => modelId),
  );
  const infoOf = (modelId: string): ModelInfo | undefined => {
    try {
      return models.resolve(modelId).info;
    } catch (error) {
      if (error instanceof ChatError) return undefined;
      throw error;
    }
  };
  const providerOf = (modelId: string) => infoOf(modelId)?.provider ?? "other";
  return {
    labelOf: (modelId) => (listed.has(modelId) ? modelId : providerOf(modelId)),
    providerOf,
  };
}
