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
import { validateId, validateMessageText } from "./validate.ts";

/** Reads a request that asks for a turn and is within its bounds; throws `invalid_argument`, and `unimplemented` for attachments. */
export function toTurnRequest(request: ChatRequest): TurnRequest {
  const type = turnTypes[request.type];
  if (type === undefined) {
    const name = ChatRequest_TypeSchema.value[request.type]?.name ?? String(request.type);
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
    afterSequence: Number(request.afterSequence),
    afterEpoch: request.afterEpoch,
    onBusy: onBusys[request.onBusy],
    onDisconnect: onDisconnects[request.onDisconnect],
    modelId: request.modelId,
    systemInstruction: request.systemInstruction,
    generation: fromGeneration(request.generation),
    chunkBy: chunkBys[request.chunkBy] ?? "model",
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

// Their enums' zero is in none of them: it leaves the choice to the server.

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

/** On a Chat stream a message without a session opens none (DESIGN section 1). */
export function requireSessionId(sessionId: string): string {
  if (sessionId !== "") return sessionId;
  const field = "session_id";
  const description = "name a session; this stream has not used one yet";
  throw invalidArgument([{ field, description }], "SESSION_REQUIRED");
}
