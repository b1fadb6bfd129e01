/**
 * The bounds of the contract. They are applied in one place (`service/validate.ts`) and repeated in the
 * comments of proto/chat/chat.proto; a unit test compares the two.
 *
 * Bytes are UTF-8 bytes, characters are Unicode code points.
 */
export const limits = {
  /** One message of the user; MESSAGE_BYTES_MAX may lower it. */
  messageBytesMax: 1_048_576,
  /** A session_id, turn_id, message_id or request_id. */
  idBytesMax: 128,
  titleCharactersMax: 200,
  systemInstructionBytesMax: 65_536,
  modelIdBytesMax: 256,
  metadataEntriesMax: 16,
  metadataKeyBytesMax: 64,
  metadataValueBytesMax: 512,
  stopSequencesMax: 16,
  stopSequenceBytesMax: 256,
  temperatureMax: 2,
  topPMax: 1,
  topKMax: 1_000,
  outputTokensMax: 1_000_000,
  thinkingTokensMax: 1_000_000,
  responseJsonSchemaBytesMax: 65_536,
  attachmentsMax: 16,
  timestampBytesMax: 64,
  pageSizeDefault: 50,
  pageSizeMax: 200,
  /** Texts of the messages on a page; the one that reaches it is the page's last. */
  pageBytesMax: 1_048_576,
  pageTokenBytesMax: 1_024,
  /** Words to search for. */
  queryBytesMax: 1_024,
  etagBytesMax: 64,
  /** Watchers that one session may have at once. */
  watchersMax: 100,
} as const;
