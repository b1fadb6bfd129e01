import type { DescEnum } from "@bufbuild/protobuf";
import type { TurnRequest } from "../chat/engine.ts";
import { invalidArgument, notImplemented } from "../chat/errors.ts";
import type { OnDisconnect } from "../chat/running-turn.ts";
import type { ChunkBy } from "../chat/turn.ts";
import {
  type ChatRequest,
  ChatRequest_Type,
  ChatRequest_TypeSchema,
  OnBusy,
  OnBusySchema,
  ChunkBy as WireChunkBy,
  OnDisconnect as WireOnDisconnect,
} from "../gen/chat/chat_pb.ts";
import { fromGeneration } from "./convert.ts";
import { validateMessageText } from "./validate.ts";

/** Reads a request that asks for a turn; throws `invalid_argument`, and `unimplemented` for what is to come. */
export function toTurnRequest(request: ChatRequest): TurnRequest {
  refuseUnimplemented(request);
  if (request.type !== ChatRequest_Type.MESSAGE) {
    const name = enumName(ChatRequest_TypeSchema, request.type);
    const description = `${name} asks for no turn; send it on a Chat stream`;
    throw invalidArgument([{ field: "type", description }]);
  }
  validateMessageText(request);
  return {
    sessionId: request.sessionId,
    parts: [{ type: "text", text: request.message }],
    requestId: request.requestId,
    modelId: request.modelId,
    systemInstruction: request.systemInstruction,
    generation: fromGeneration(request.generation),
    chunkBy: fromEnum("chunk_by", chunkBys, request.chunkBy),
    onDisconnect: fromEnum("on_disconnect", onDisconnects, request.onDisconnect),
  };
}

const chunkBys: Readonly<Record<number, ChunkBy>> = {
  [WireChunkBy.UNSPECIFIED]: "model",
  [WireChunkBy.WORD]: "word",
  [WireChunkBy.CHARACTER]: "character",
};

const onDisconnects: Readonly<Record<number, OnDisconnect>> = {
  [WireOnDisconnect.UNSPECIFIED]: "grace",
  [WireOnDisconnect.GRACE]: "grace",
  [WireOnDisconnect.CONTINUE]: "continue",
  [WireOnDisconnect.CANCEL]: "cancel",
};

function fromEnum<T>(field: string, values: Readonly<Record<number, T>>, value: number): T {
  const known = values[value];
  if (known === undefined)
    throw invalidArgument([{ field, description: `is not known: ${value}` }]);
  return known;
}

/** The contract's features that this release does not have yet. */
function refuseUnimplemented(request: ChatRequest): void {
  switch (request.type) {
    case ChatRequest_Type.EDIT:
    case ChatRequest_Type.REGENERATE:
    case ChatRequest_Type.CONTINUE:
      throw notImplemented(`${enumName(ChatRequest_TypeSchema, request.type)} messages`);
  }
  if (request.onBusy === OnBusy.ENQUEUE || request.onBusy === OnBusy.INTERRUPT) {
    throw notImplemented(`on_busy = ${enumName(OnBusySchema, request.onBusy)}`);
  }
  if (request.attachments.length > 0) throw notImplemented("attachments");
  if (request.afterSequence > 0n || request.afterEpoch > 0) {
    throw notImplemented("after_sequence on a message");
  }
}

function enumName(desc: DescEnum, value: number): string {
  return desc.value[value]?.name ?? String(value);
}
