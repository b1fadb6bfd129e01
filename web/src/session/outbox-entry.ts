import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import {
  type GenerationConfig,
  GenerationConfigSchema,
  ChatRequest_Type as RequestType,
} from "../../../src/gen/chat/chat_pb.ts";
import { readStored, type TextStore, writeStored } from "../client/stored.ts";

/** What is to be sent: the fields of a request that must be the same each time it is sent. */
export type Outgoing = {
  readonly requestId: string;
  /** Empty: the message opens a session, or waits for the one that another message of its chat opens. */
  readonly sessionId: string;
  /** The chat that a message without a session begins or belongs to; empty for others. */
  readonly newChatId: string;
  readonly type: RequestType;
  readonly text: string;
  /** The message that an EDIT replaces, or that REGENERATE and CONTINUE are about. */
  readonly messageId: string;
  readonly modelId: string;
  readonly systemInstruction: string;
  readonly generation: GenerationConfig | undefined;
};

/**
 * Something that is being sent. `sent`: the server has it, and the view will show it from `sequence` on.
 * `refused`: it is not done, and will not be. `unknown`: nobody can tell, so the same may be sent again.
 */
export type OutboxEntry = Outgoing & {
  readonly state: "sending" | "sent" | "refused" | "unknown";
  readonly sequence: bigint;
  /** What the latest attempt failed with, also while another one follows. */
  readonly error: unknown;
};

const name = "chatwire.outbox";

/** What a page before this one, in the same tab, had not heard the outcome of. */
export function readOutgoing(store: TextStore): Outgoing[] {
  try {
    const kept = JSON.parse(readStored(store, name) ?? "[]") as Kept[];
    return kept.map(({ generation, ...outgoing }) => ({
      ...outgoing,
      // Kept by a page that did not tell new chats apart.
      newChatId: outgoing.newChatId ?? outgoing.requestId,
      generation:
        generation === undefined ? undefined : fromJsonString(GenerationConfigSchema, generation),
    }));
  } catch {
    return [];
  }
}

/** Keeps what must outlive a reload: everything of which the outcome is not known. */
export function writeOutgoing(store: TextStore, entries: readonly OutboxEntry[]): void {
  const kept = entries
    .filter(({ state }) => state === "sending" || state === "unknown")
    .map(({ state: _state, sequence: _sequence, error: _error, generation, ...outgoing }) => ({
      ...outgoing,
      ...(generation && { generation: toJsonString(GenerationConfigSchema, generation) }),
    }));
  writeStored(store, name, kept.length > 0 ? JSON.stringify(kept) : undefined);
}

type Kept = Omit<Outgoing, "generation"> & { readonly generation?: string };

/** Which entries belong to a chat: by its session, or before it has one by the new chat's own id. */
export function isOf(sessionId: string, newChatId: string) {
  return (entry: Pick<Outgoing, "sessionId" | "newChatId">): boolean =>
    entry.sessionId === sessionId && (sessionId !== "" || entry.newChatId === newChatId);
}

/** Whether it brings a message of the user that the view will show under its request_id. */
export function hasMessage({ type }: Pick<Outgoing, "type">): boolean {
  return type === RequestType.MESSAGE || type === RequestType.EDIT;
}
