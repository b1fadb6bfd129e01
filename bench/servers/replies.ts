import {
  ChatResponse_Type,
  FinishReason,
  Message_Role,
  Message_State,
} from "../../src/gen/chat/chat_pb.ts";
import { parseScript, type Script } from "../../src/model/scripted-script.ts";

/** What a trivial server streams: that many chunks, one each `intervalMs`. */
export type Schedule = Pick<Script & { type: "count" }, "chunks" | "intervalMs">;

/** Reads `scripted:19x0`, so that the same request asks every server for the same stream. */
export function scheduleOf(modelId: string): Schedule {
  const script = parseScript(modelId);
  if (script?.type !== "count") throw new Error(`not a scripted model: "${modelId}"`);
  return script;
}

/** Resolves when part `index` (from 1) of a schedule that began at `startMs` is due. */
export function due(startMs: number, intervalMs: number, index: number): Promise<void> | undefined {
  const leftMs = intervalMs === 0 ? 0 : startMs + index * intervalMs - performance.now();
  if (leftMs <= 0) return undefined;
  return new Promise((resolve) => setTimeout(resolve, Math.ceil(leftMs)));
}

const sessionId = "5f0c8f64-6f1c-4b1e-9a53-1d2f3c4b5a69";
const turnId = "0d5b0c8e-8f6e-4a8e-b6b5-7a1c2d3e4f50";
const messageId = "c1a2b3d4-e5f6-4789-8abc-def012345678";
const model = "scripted:19x0";
const at = "2026-11-22T12:00:00.000+00:00";

/**
 * The messages that chatwire sends, field by field, made of constants. `uint64` makes a 64-bit value of
 * the kind that the server's library takes.
 */
export function createReplies<Uint64>(uint64: (value: number) => Uint64) {
  const event = (sequence: number) => ({
    sessionId,
    sequence: uint64(sequence),
    turnId,
    timestamp: at,
    elapsedMs: sequence,
    epoch: 1,
  });
  const usage = { inputTokens: 1, outputTokens: 19, totalTokens: 20 };
  return {
    sessionInfo: () => ({
      success: true,
      message: "ok",
      sessionId,
      model,
      durationSeconds: 1,
      createdAt: at,
      updatedAt: at,
      generation: {},
      usage: {},
      etag: "1",
      epoch: 1,
    }),
    status: () => ({
      ...event(1),
      type: ChatResponse_Type.STATUS,
      statusMessage: `${model} is thinking`,
      contextMessages: 1,
      model,
      userMessage: {
        messageId,
        role: Message_Role.USER,
        text: "hello",
        turnId,
        state: Message_State.COMPLETE,
        createdAt: at,
      },
    }),
    start: () => ({ ...event(2), type: ChatResponse_Type.RESPONSE_START, model, messageId }),
    chunk: (number: number) => ({
      ...event(2 + number),
      type: ChatResponse_Type.CHUNK,
      chunkText: `w${number} `,
      chunkNumber: number,
    }),
    complete: (chunks: number) => ({
      ...event(3 + chunks),
      type: ChatResponse_Type.RESPONSE_COMPLETE,
      isFinal: true,
      totalChunks: chunks,
      processingTime: 0.002,
      messageCount: 2,
      finishReason: FinishReason.STOP,
      usage,
      model,
      messageId,
    }),
  };
}
