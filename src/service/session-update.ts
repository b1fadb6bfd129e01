import type { SessionUpdate } from "../chat/sessions.ts";
import type { UpdateSessionRequest } from "../gen/chat/chat_pb.ts";
import { fromGeneration } from "./convert.ts";
import type { updatableFields } from "./validate.ts";

type Field = (typeof updatableFields)[number];

/** Reads what UpdateSession changes: the fields that its mask names, or without a mask those that are set. */
export function toSessionUpdate(request: UpdateSessionRequest): SessionUpdate {
  const { title, systemInstruction, metadata, modelId, updateMask } = request;
  const isSet: Record<Field, boolean> = {
    title: title !== "",
    system_instruction: systemInstruction !== "",
    generation: request.generation !== undefined,
    metadata: Object.keys(metadata).length > 0,
    model_id: modelId !== "",
  };
  const changes = (field: Field) =>
    updateMask.length > 0 ? updateMask.includes(field) : isSet[field];
  return {
    ...(changes("title") && { title }),
    ...(changes("system_instruction") && { systemInstruction }),
    ...(changes("generation") && { generation: fromGeneration(request.generation) }),
    ...(changes("metadata") && { metadata }),
    ...(changes("model_id") && { modelId }),
  };
}
