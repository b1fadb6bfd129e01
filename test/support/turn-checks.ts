import assert from "node:assert/strict";
import type { Client } from "@connectrpc/connect";
import type { ChatResponse, ChatService, Message } from "../../src/gen/chat/chat_pb.ts";

type Chat = Client<typeof ChatService>;

/** What the scripted model has been asked, and how often it was aborted, since the server started. */
export const modelCalls = "chatwire_scripted_model_calls_total";
export const modelAborts = "chatwire_scripted_model_aborts_total";

/** What `scripted:<count>x…` answers. */
export function words(count: number): string {
  return Array.from({ length: count }, (_, index) => `w${index + 1} `).join("");
}

/** Checks that every sequence from `first` on is there, once, in order. */
export function assertGapless(events: readonly ChatResponse[], first = 1n): void {
  const sequences = events.map(({ sequence }) => sequence);
  assert.deepEqual(
    sequences,
    sequences.map((_, index) => first + BigInt(index)),
  );
}

/** The session's messages once nothing runs or waits in it. */
export async function messagesWhenIdle(chat: Chat, sessionId: string): Promise<Message[]> {
  for await (const _ of chat.watchSession({ sessionId, untilIdle: true }));
  return (await chat.listMessages({ sessionId })).messages;
}
