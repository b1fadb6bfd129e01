import { useQuery } from "@connectrpc/connect-query";
import { isRetryable } from "../../../src/client/client.ts";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import { errorWords } from "../client/error-words.ts";

/** How soon a list that could not be read is asked for again, milliseconds. */
const againMs = 10_000;

/** Chooses the model that answers; an empty value is the server's default. */
export function ModelSelect({
  value,
  onChange,
}: {
  value: string;
  onChange: (modelId: string) => void;
}) {
  const { data, error } = useQuery(
    ChatService.method.listModels,
    {},
    {
      staleTime: 300_000,
      refetchInterval: ({ state }) =>
        state.status === "error" && isRetryable(state.error) && againMs,
    },
  );
  const words = data === undefined && error !== null ? errorWords(error) : "";
  const models = data?.models ?? [];
  const standard = models.find(({ isDefault }) => isDefault);
  const chosen = value || standard?.modelId || "";
  const isListed = models.some(({ modelId }) => modelId === chosen);
  return (
    <select
      className="model-select"
      aria-label="Model"
      aria-invalid={words !== ""}
      title={words}
      value={chosen}
      onChange={(event) => onChange(event.target.value)}
    >
      {!isListed && <option value={chosen}>{chosen || (words === "" ? "…" : "No models")}</option>}
      {models.map(({ modelId, displayName }) => (
        <option key={modelId} value={modelId}>
          {displayName || modelId}
        </option>
      ))}
    </select>
  );
}
