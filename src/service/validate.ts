import { type FieldViolation, invalidArgument } from "../chat/errors.ts";
import { limits } from "../chat/limits.ts";
import type {
  CancelTurnRequest,
  ChatRequest,
  CreateSessionRequest,
  ForkSessionRequest,
  GenerationConfig,
  ListMessagesRequest,
  ListSessionsRequest,
  UpdateSessionRequest,
  WatchSessionRequest,
} from "../gen/chat/chat_pb.ts";

/**
 * The bounds of `chat/limits.ts`, applied in this one place. Each function throws `invalid_argument`
 * naming every field that is out of bounds by its path in the contract.
 */

export function validateCreateSession(request: CreateSessionRequest): void {
  const check = createCheck();
  check.bytes("model_id", request.modelId, limits.modelIdBytesMax);
  check.characters("title", request.title, limits.titleCharactersMax);
  check.bytes("system_instruction", request.systemInstruction, limits.systemInstructionBytesMax);
  check.bytes("request_id", request.requestId, limits.idBytesMax);
  checkGeneration(check, request.generation);
  checkMetadata(check, request.metadata);
  check.done();
}

/** A ChatRequest of any type; `messageBytesMax` is the configured bound, at most the contract's. */
export function validateChatRequest(request: ChatRequest, messageBytesMax: number): void {
  const check = createCheck();
  check.bytes("session_id", request.sessionId, limits.idBytesMax);
  check.bytes("message", request.message, messageBytesMax);
  check.bytes("timestamp", request.timestamp, limits.timestampBytesMax);
  check.bytes("request_id", request.requestId, limits.idBytesMax);
  check.bytes("message_id", request.messageId, limits.idBytesMax);
  check.bytes("turn_id", request.turnId, limits.idBytesMax);
  check.bytes("model_id", request.modelId, limits.modelIdBytesMax);
  check.bytes("system_instruction", request.systemInstruction, limits.systemInstructionBytesMax);
  check.count("attachments", request.attachments.length, limits.attachmentsMax);
  checkGeneration(check, request.generation);
  check.done();
}

/** The text of a message that asks for a turn. */
export function validateMessageText(request: ChatRequest): void {
  if (request.message.trim() === "") {
    throw invalidArgument([{ field: "message", description: "must not be empty" }]);
  }
}

export function validateId(field: string, id: string): void {
  const check = createCheck();
  checkId(check, field, id);
  check.done();
}

export function validateQuery(query: string): void {
  const check = createCheck();
  check.bytes("query", query, limits.queryBytesMax);
  check.done();
}

/** The page that a list is asked for; a page_size of 0 is the default, a larger one than the bound is the bound. */
export function validatePage(request: ListSessionsRequest | ListMessagesRequest) {
  const check = createCheck();
  if (request.pageSize < 0) check.add("page_size", "must not be negative");
  check.bytes("page_token", request.pageToken, limits.pageTokenBytesMax);
  check.done();
  const pageSize = Math.min(request.pageSize || limits.pageSizeDefault, limits.pageSizeMax);
  return { pageSize, pageToken: request.pageToken };
}

export function validateUpdateSession(request: UpdateSessionRequest): void {
  const check = createCheck();
  checkId(check, "session_id", request.sessionId);
  check.bytes("model_id", request.modelId, limits.modelIdBytesMax);
  check.characters("title", request.title, limits.titleCharactersMax);
  check.bytes("system_instruction", request.systemInstruction, limits.systemInstructionBytesMax);
  check.bytes("etag", request.etag, limits.etagBytesMax);
  check.count("update_mask", request.updateMask.length, updatableFields.length);
  for (const [index, field] of request.updateMask.entries()) {
    const known = updatableFields.some((name) => name === field);
    if (!known) check.add(`update_mask[${index}]`, `must be one of ${updatableFields.join(", ")}`);
  }
  checkGeneration(check, request.generation);
  checkMetadata(check, request.metadata);
  check.done();
}

/** What UpdateSession's mask may name. */
export const updatableFields = [
  "title",
  "system_instruction",
  "generation",
  "metadata",
  "model_id",
] as const;

export function validateForkSession(request: ForkSessionRequest): void {
  const check = createCheck();
  checkId(check, "session_id", request.sessionId);
  check.bytes("up_to_message_id", request.upToMessageId, limits.idBytesMax);
  check.characters("title", request.title, limits.titleCharactersMax);
  check.bytes("request_id", request.requestId, limits.idBytesMax);
  check.done();
}

export function validateWatch(request: WatchSessionRequest): void {
  const check = createCheck();
  if (request.sessionId === "" && !request.sessionList) {
    check.add("session_id", "must not be empty, unless session_list is set");
  }
  check.bytes("session_id", request.sessionId, limits.idBytesMax);
  check.done();
}

export function validateCancelTurn(request: CancelTurnRequest): void {
  const check = createCheck();
  check.bytes("session_id", request.sessionId, limits.idBytesMax);
  if (request.sessionId === "" && request.requestId === "") {
    check.add("session_id", "must not be empty, unless request_id names the turn");
  }
  check.bytes("turn_id", request.turnId, limits.idBytesMax);
  check.bytes("request_id", request.requestId, limits.idBytesMax);
  check.done();
}

/** A sequence as a number; more than 2^53 is no sequence of ours. */
export function toSafeNumber(field: string, value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw invalidArgument([{ field, description: "is past every sequence" }]);
}

type Check = ReturnType<typeof createCheck>;

function createCheck() {
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string) => violations.push({ field, description });
  return {
    add,
    bytes(field: string, text: string, bytesMax: number) {
      if (!text.isWellFormed()) add(field, "must be valid Unicode");
      if (Buffer.byteLength(text, "utf8") > bytesMax) add(field, `is over ${bytesMax} bytes`);
    },
    characters(field: string, text: string, charactersMax: number) {
      if (!text.isWellFormed()) add(field, "must be valid Unicode");
      // Longer in UTF-16 units than twice the bound is longer in code points than the bound.
      if (text.length > 2 * charactersMax || Array.from(text).length > charactersMax) {
        add(field, `is over ${charactersMax} characters`);
      }
    },
    count(field: string, count: number, countMax: number) {
      if (count > countMax) add(field, `has over ${countMax} entries`);
    },
    range(field: string, value: number | undefined, min: number, max: number) {
      if (value !== undefined && !(value >= min && value <= max)) {
        add(field, `must be from ${min} to ${max}`);
      }
    },
    done() {
      if (violations.length > 0) throw invalidArgument(violations);
    },
  };
}

function checkId(check: Check, field: string, id: string): void {
  if (id === "") check.add(field, "must not be empty");
  check.bytes(field, id, limits.idBytesMax);
}

function checkGeneration(check: Check, generation: GenerationConfig | undefined): void {
  if (!generation) return;
  const { stopSequences } = generation;
  check.range("generation.temperature", generation.temperature, 0, limits.temperatureMax);
  check.range("generation.top_p", generation.topP, 0, limits.topPMax);
  check.range("generation.top_k", generation.topK, 1, limits.topKMax);
  check.range(
    "generation.max_output_tokens",
    generation.maxOutputTokens,
    1,
    limits.outputTokensMax,
  );
  check.range(
    "generation.thinking_tokens_max",
    generation.thinkingTokensMax,
    0,
    limits.thinkingTokensMax,
  );
  check.count("generation.stop_sequences", stopSequences.length, limits.stopSequencesMax);
  for (const [index, sequence] of stopSequences.entries()) {
    const field = `generation.stop_sequences[${index}]`;
    if (sequence === "") check.add(field, "must not be empty");
    check.bytes(field, sequence, limits.stopSequenceBytesMax);
  }
  checkJsonSchema(check, generation.responseJsonSchema);
}

function checkJsonSchema(check: Check, schema: string | undefined): void {
  if (schema === undefined || schema === "") return;
  const field = "generation.response_json_schema";
  check.bytes(field, schema, limits.responseJsonSchemaBytesMax);
  try {
    const parsed: unknown = JSON.parse(schema);
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
      check.add(field, "must be a JSON object");
    }
  } catch {
    check.add(field, "must be JSON");
  }
}

function checkMetadata(check: Check, metadata: Readonly<Record<string, string>>): void {
  const entries = Object.entries(metadata);
  check.count("metadata", entries.length, limits.metadataEntriesMax);
  for (const [key, value] of entries) {
    const field = `metadata["${key.slice(0, limits.metadataKeyBytesMax)}"]`;
    if (key === "") check.add(field, "must have a key");
    check.bytes(field, key, limits.metadataKeyBytesMax);
    check.bytes(field, value, limits.metadataValueBytesMax);
  }
}
