import type { DescEnum } from "@bufbuild/protobuf";
import { invalidArgument, notImplemented } from "../chat/errors.ts";
import type { ChunkBy, OnDisconnect, TurnType } from "../chat/turn.ts";
import type { OnBusy, TurnRequest } from "../chat/turn-request.ts";
import {
  type ChatRequest,
  ChatRequest_Type,
  ChatRequest_TypeSchema,
  ChunkBy as WireChunkBy,
  OnBusy as WireOnBusy,
  OnDisconnect as WireOnDisconnect,
} from "../gen/chat/chat_pb.ts";
import { fromGeneration } from "./convert.ts";
import { toSafeNumber, validateId, validateMessageText } from "./validate.ts";

/** Reads a request that asks for a turn; throws `invalid_argument`, and `unimplemented` for attachments. */
export function toTurnRequest(request: ChatRequest): TurnRequest {
  const type = turnTypes[request.type];
  if (type === undefined) {
    const name = enumName(ChatRequest_TypeSchema, request.type);
    const description = `${name} asks for no turn; send it on a Chat stream`;
    throw invalidArgument([{ field: "type", description }]);
  }
  if (request.attachments.length > 0) throw notImplemented("attachments");
  const hasText = type === "message" || type === "edit";
  if (hasText) validateMessageText(request);
  if (type === "edit") validateId("message_id", request.messageId);
  return {
    type,
    sessionId: request.sessionId,
    parts: hasText ? [{ type: "text", text: request.message }] : [],
    messageId: request.messageId,
    requestId: request.requestId,
    afterSequence: toSafeNumber("after_sequence", request.afterSequence),
    afterEpoch: request.afterEpoch,
    onBusy: fromEnum("on_busy", onBusys, request.onBusy),
    onDisconnect: fromEnum("on_disconnect", onDisconnects, request.onDisconnect),
    modelId: request.modelId,
    systemInstruction: request.systemInstruction,
    generation: fromGeneration(request.generation),
    chunkBy: fromEnum("chunk_by", chunkBys, request.chunkBy) ?? "model",
  };
}

const turnTypes: Readonly<Record<number, TurnType>> = {
  [ChatRequest_Type.MESSAGE]: "message",
  [ChatRequest_Type.EDIT]: "edit",
  [ChatRequest_Type.REGENERATE]: "regenerate",
  [ChatRequest_Type.CONTINUE]: "continue",
};

const chunkBys: Readonly<Record<number, ChunkBy>> = {
  [WireChunkBy.WORD]: "word",
  [WireChunkBy.CHARACTER]: "character",
};

const onBusys: Readonly<Record<number, OnBusy>> = {
  [WireOnBusy.ENQUEUE]: "enqueue",
  [WireOnBusy.REJECT]: "reject",
  [WireOnBusy.INTERRUPT]: "interrupt",
};

const onDisconnects: Readonly<Record<number, OnDisconnect>> = {
  [WireOnDisconnect.GRACE]: "grace",
  [WireOnDisconnect.CONTINUE]: "continue",
  [WireOnDisconnect.CANCEL]: "cancel",
};

/** Undefined for the enum's zero, which leaves the choice to the server. */
function fromEnum<T>(
  field: string,
  values: Readonly<Record<number, T>>,
  value: number,
): T | undefined {
  if (value === 0 || value in values) return values[value];
  throw invalidArgument([{ field, description: `is not known: ${value}` }]);
}

function enumName(desc: DescEnum, value: number): string {
  return desc.value[value]?.name ?? String(value);
}
