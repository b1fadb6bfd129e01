import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type ChatResponse,
  ChatResponseSchema,
  ChatResponse_Type as EventType,
  FinishReason,
  Message_Role,
  Message_State,
  MessageSchema,
} from "../../../src/gen/chat/chat_pb.ts";

type Init = MessageInitShape<typeof ChatResponseSchema> & object;

/** Makes recorded events, one sequence after another. */
export function createScript() {
  let sequence = 0n;
  const record = (init: Init): ChatResponse => {
    sequence += 1n;
    return create(ChatResponseSchema, { epoch: 1, ...init, sequence });
  };
  const updateOf = (turnId: string, updateType: string, data: object, more: Init = {}) =>
    record({
      type: EventType.SESSION_UPDATE,
      turnId,
      updateType,
      updateData: JSON.stringify(data),
      ...more,
    });
  return {
    question: (turnId: string, text = turnId, state: Message_State = Message_State.COMPLETE) =>
      create(MessageSchema, {
        messageId: `question-${turnId}`,
        role: Message_Role.USER,
        requestId: `request-${turnId}`,
        turnId,
        text,
        state,
      }),
    queued: (turnId: string, userMessage: ReturnType<typeof questionOf>) =>
      updateOf(turnId, "turn_queued", { turn_id: turnId, position: 1 }, { userMessage }),
    status: (turnId: string, userMessage?: ReturnType<typeof questionOf>) =>
      record({ type: EventType.STATUS, turnId, model: "m", ...(userMessage && { userMessage }) }),
    start: (turnId: string, messageId = `reply-${turnId}`) =>
      record({ type: EventType.RESPONSE_START, turnId, messageId, model: "m" }),
    chunk: (turnId: string, chunkText: string, more: Init = {}) =>
      record({ type: EventType.CHUNK, turnId, chunkText, ...more }),
    end: (turnId: string, finishReason: FinishReason = FinishReason.STOP, more: Init = {}) =>
      record({
        type: EventType.RESPONSE_COMPLETE,
        turnId,
        finishReason,
        isFinal: true,
        processingTime: 1.5,
        ...more,
      }),
    fail: (turnId: string, errorReason: string) =>
      record({
        type: EventType.ERROR,
        turnId,
        errorReason,
        finishReason: FinishReason.FAILED,
        isFinal: true,
      }),
    replaced: (turnId: string, ids: readonly string[]) =>
      updateOf(turnId, "messages_replaced", { message_ids: ids, by_turn_id: turnId }),
    updateOf,
  };
}

function questionOf() {
  return create(MessageSchema);
}
