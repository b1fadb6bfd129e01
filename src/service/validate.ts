import type { Message } from "@bufbuild/protobuf";
import { invalidArgument } from "../chat/errors.ts";
import { limits } from "../chat/limits.ts";
import {
  type Attachment,
  type CancelTurnRequest,
  type ChatRequest,
  ChatRequest_TypeSchema,
  ChunkBySchema,
  type CreateSessionRequest,
  type DeleteSessionRequest,
  type ForkSessionRequest,
  type GenerationConfig,
  type GetAttachmentRequest,
  type HealthRequest,
  type ListMessagesRequest,
  type ListModelsRequest,
  type ListSessionsRequest,
  OnBusySchema,
  OnDisconnectSchema,
  type ServerStatsRequest,
  type SessionInfoRequest,
  type UpdateSessionRequest,
  type WatchSessionRequest,
} from "../gen/chat/chat_pb.ts";
import {
  anyValue,
  bytes,
  characters,
  checkFields,
  createCheck,
  knownValue,
  list,
  message,
  type Rule,
  type Rules,
  type RulesOf,
  range,
  required,
  sequence,
} from "./field-rules.ts";
import { jsonSchema, metadata } from "./text-rules.ts";

/**
 * The bounds of `chat/limits.ts`, applied in this one place to every field of every request. Each function
 * throws `invalid_argument` naming every field that is out of bounds by its path in the contract.
 */

const id = bytes(limits.idBytesMax);
const title = characters(limits.titleCharactersMax);
const modelId = bytes(limits.modelIdBytesMax);
const systemInstruction = bytes(limits.systemInstructionBytesMax);
const pageToken = bytes(limits.pageTokenBytesMax);
/** Larger than the largest page is the largest page. */
const pageSize: Rule<number> = (check, path, value) => {
  if (value < 0) check.add(path, "must not be negative");
};
const eitherIsRight = anyValue("true and false are both meant");
const everyEpoch = anyValue("another epoch than the session's is DATA_LOSS");

/** What UpdateSession's mask may name. */
export const updatableFields = [
  "title",
  "system_instruction",
  "generation",
  "metadata",
  "model_id",
] as const;

const updatableField: Rule<string> = (check, path, name) => {
  if (!updatableFields.some((field) => field === name)) {
    check.add(path, `must be one of ${updatableFields.join(", ")}`);
  }
};

const generationRules: RulesOf<GenerationConfig> = {
  temperature: range(0, limits.temperatureMax),
  topP: range(0, limits.topPMax),
  topK: range(1, limits.topKMax),
  maxOutputTokens: range(1, limits.outputTokensMax),
  thinkingTokensMax: range(0, limits.thinkingTokensMax),
  stopSequences: list(limits.stopSequencesMax, required(bytes(limits.stopSequenceBytesMax))),
  responseJsonSchema: jsonSchema,
  includeThoughts: eitherIsRight,
  seed: anyValue("every int32 is a seed"),
};

const refusedWhole = anyValue("a request with attachments is UNIMPLEMENTED");

const attachmentRules: RulesOf<Attachment> = {
  mimeType: refusedWhole,
  data: refusedWhole,
  uri: refusedWhole,
  name: refusedWhole,
  attachmentId: refusedWhole,
  sha256: refusedWhole,
  sizeBytes: refusedWhole,
};

const chatRules: RulesOf<ChatRequest> = {
  type: knownValue(ChatRequest_TypeSchema),
  sessionId: id,
  message: (check, path, text) => bytes(check.messageBytesMax)(check, path, text),
  timestamp: bytes(limits.timestampBytesMax),
  requestId: id,
  messageId: id,
  turnId: id,
  modelId,
  systemInstruction,
  attachments: list(limits.attachmentsMax, message(attachmentRules)),
  generation: message(generationRules),
  afterSequence: sequence,
  afterEpoch: everyEpoch,
  onBusy: knownValue(OnBusySchema),
  onDisconnect: knownValue(OnDisconnectSchema),
  chunkBy: knownValue(ChunkBySchema),
};

const createSessionRules: RulesOf<CreateSessionRequest> = {
  modelId,
  title,
  systemInstruction,
  requestId: id,
  generation: message(generationRules),
  metadata,
};

const updateSessionRules: RulesOf<UpdateSessionRequest> = {
  sessionId: required(id),
  modelId,
  title,
  systemInstruction,
  etag: bytes(limits.etagBytesMax),
  updateMask: list(updatableFields.length, updatableField),
  generation: message(generationRules),
  metadata,
};

const forkSessionRules: RulesOf<ForkSessionRequest> = {
  sessionId: required(id),
  upToMessageId: id,
  title,
  requestId: id,
};

const listSessionsRules: RulesOf<ListSessionsRequest> = {
  query: bytes(limits.queryBytesMax),
  pageSize,
  pageToken,
};

const listMessagesRules: RulesOf<ListMessagesRequest> = {
  sessionId: required(id),
  pageSize,
  pageToken,
  newestFirst: eitherIsRight,
  includeReplaced: eitherIsRight,
};

const watchSessionRules: RulesOf<WatchSessionRequest> = {
  sessionId: id,
  afterSequence: sequence,
  afterEpoch: everyEpoch,
  untilIdle: eitherIsRight,
  sessionList: eitherIsRight,
};

const cancelTurnRules: RulesOf<CancelTurnRequest> = {
  sessionId: id,
  turnId: id,
  requestId: id,
};

const getAttachmentRules: RulesOf<GetAttachmentRequest> = {
  sessionId: required(id),
  attachmentId: required(id),
};

const sessionInfoRules: RulesOf<SessionInfoRequest> = { sessionId: required(id) };
const deleteSessionRules: RulesOf<DeleteSessionRequest> = { sessionId: required(id) };
const healthRules: RulesOf<HealthRequest> = {};
const serverStatsRules: RulesOf<ServerStatsRequest> = {};
const listModelsRules: RulesOf<ListModelsRequest> = {};

/** The rules of every message that a client sends, by its name in the contract. */
export const requestRules: Readonly<Record<string, Rules>> = {
  "chat.Attachment": attachmentRules,
  "chat.CancelTurnRequest": cancelTurnRules,
  "chat.ChatRequest": chatRules,
  "chat.CreateSessionRequest": createSessionRules,
  "chat.DeleteSessionRequest": deleteSessionRules,
  "chat.ForkSessionRequest": forkSessionRules,
  "chat.GenerationConfig": generationRules,
  "chat.GetAttachmentRequest": getAttachmentRules,
  "chat.HealthRequest": healthRules,
  "chat.ListMessagesRequest": listMessagesRules,
  "chat.ListModelsRequest": listModelsRules,
  "chat.ListSessionsRequest": listSessionsRules,
  "chat.ServerStatsRequest": serverStatsRules,
  "chat.SessionInfoRequest": sessionInfoRules,
  "chat.UpdateSessionRequest": updateSessionRules,
  "chat.WatchSessionRequest": watchSessionRules,
};

/** Any request, by the rules of its fields alone. */
export function validateRequest(request: Message): void {
  const check = createCheck();
  checkRequest(check, request);
  check.done();
}

/** A ChatRequest of any type; `messageBytesMax` is the configured bound, at most the contract's. */
export function validateChatRequest(request: ChatRequest, messageBytesMax: number): void {
  const check = createCheck(messageBytesMax);
  checkRequest(check, request);
  check.done();
}

/** The text of a message that asks for a turn. */
export function validateMessageText(request: ChatRequest): void {
  if (request.message.trim() === "") {
    throw invalidArgument([{ field: "message", description: "must not be empty" }]);
  }
}

/** An id that a request's type makes required. */
export function validateId(field: string, value: string): void {
  const check = createCheck();
  required(id)(check, field, value);
  check.done();
}

/** The page that a list is asked for; a page_size of 0 is the default, a larger one than the bound is the bound. */
export function validatePage(request: ListSessionsRequest | ListMessagesRequest) {
  validateRequest(request);
  const size = Math.min(request.pageSize || limits.pageSizeDefault, limits.pageSizeMax);
  return { pageSize: size, pageToken: request.pageToken };
}

export function validateWatch(request: WatchSessionRequest): void {
  const check = createCheck();
  if (request.sessionId === "" && !request.sessionList) {
    check.add("session_id", "must not be empty, unless session_list is set");
  }
  checkRequest(check, request);
  check.done();
}

export function validateCancelTurn(request: CancelTurnRequest): void {
  const check = createCheck();
  if (request.sessionId === "" && request.requestId === "") {
    check.add("session_id", "must not be empty, unless request_id names the turn");
  }
  checkRequest(check, request);
  check.done();
}

function checkRequest(check: ReturnType<typeof createCheck>, request: Message): void {
  const rules = requestRules[request.$typeName];
  if (!rules) throw new Error(`no rules for ${request.$typeName}`);
  checkFields(check, rules, request);
}
