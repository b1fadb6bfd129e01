import { useQuery } from "@connectrpc/connect-query";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";

/** Chooses the model that answers; an empty value is the server's default. */
export function ModelSelect({
  value,
  onChange,
}: {
  value: string;
  onChange: (modelId: string) => void;
}) {
  const { data } = useQuery(ChatService.method.listModels, {}, { staleTime: 300_000 });
  const models = data?.models ?? [];
  const standard = models.find(({ isDefault }) => isDefault);
  const chosen = value || standard?.modelId || "";
  const isListed = models.some(({ modelId }) => modelId === chosen);
  return (
    <select
      className="model-select"
      aria-label="Model"
      value={chosen}
      onChange={(event) => onChange(event.target.value)}
    >
      {!isListed && <option value={chosen}>{chosen || "…"}</option>}
      {models.map(({ modelId, displayName }) => (
        <option key={modelId} value={modelId}>
          {displayName || modelId}
        </option>
      ))}
    </select>
  );
}
