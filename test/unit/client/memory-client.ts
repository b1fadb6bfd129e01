import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import { type ChatClient, createChatClient } from "../../../src/client/client.ts";
import type { ConnectionChange } from "../../../src/client/connection.ts";
import type { ChatClientOptions } from "../../../src/client/options.ts";
import type { SessionItem } from "../../../src/client/session-item.ts";
import type { Watch } from "../../../src/client/watch.ts";
import { createFakeChat, type FakeChat } from "../../support/fake-chat.ts";
import { createFakeReplica, type FakeReplica } from "../../support/fake-replica.ts";
import { createFaultyTransport, type Fault } from "../../support/faulty-transport.ts";
import { createVirtualClock, type VirtualClock } from "../../support/virtual-clock.ts";

export type MemoryClient = {
  client: ChatClient;
  chat: FakeChat;
  /** The servers, endpoint `e0` first. */
  replicas: FakeReplica[];
  server: FakeReplica;
  clock: VirtualClock;
  /** What streams suffer, one after another; then nothing. */
  faults: Fault[];
  /** What onConnection was told: pass `note` to a call. */
  changes: ConnectionChange[];
  note: (change: ConnectionChange) => void;
};

/** A client over servers in memory. After the test the client is closed, and nothing may be left. */
export function createMemoryClient(
  t: TestContext,
  { servers = 1, ...options }: Partial<ChatClientOptions> & { servers?: number } = {},
): MemoryClient {
  const chat = createFakeChat();
  const replicas = Array.from({ length: servers }, () => createFakeReplica(chat));
  const faults: Fault[] = [];
  const clock = createVirtualClock();
  const changes: ConnectionChange[] = [];
  const client = createChatClient({
    clock,
    random: () => 0.5,
    ...options,
    endpoints: replicas.map(({ routes }, index) => {
      const transport = createRouterTransport(routes);
      return {
        name: `e${index}`,
        transport: createFaultyTransport(transport, () => faults.shift() ?? {}),
      };
    }),
  });
  t.after(async () => {
    await client.close();
    await clock.settle();
    assert.equal(clock.pending(), 0, "a timer is left");
    for (const replica of replicas) assert.equal(replica.open(), 0, "a stream is left");
  });
  const [server] = replicas as [FakeReplica];
  const note = (change: ConnectionChange) => void changes.push(change);
  return { client, chat, replicas, server, clock, faults, changes, note };
}

/** Takes items until one fits; returns all of them, that one included. */
export async function takeUntil(
  watch: Watch,
  fits: (item: SessionItem) => boolean,
): Promise<SessionItem[]> {
  const items: SessionItem[] = [];
  for (;;) {
    const { done, value } = await watch.next();
    assert.notEqual(done, true, "the watch ended");
    items.push(value);
    if (fits(value)) return items;
  }
}

/** Whether an item is the event with this sequence. */
export const isEvent = (sequence: number) => (item: SessionItem) =>
  item.type === "event" && item.event.sequence === BigInt(sequence);

/** An item in a word: its sequence, `live`, `reload epoch`, or the type of an unrecorded update. */
export function inWords(item: SessionItem): string {
  if (item.type === "reload") return `reload ${item.reason} after ${item.sequence}`;
  if (item.type === "live") return "live";
  return item.event.sequence === 0n ? item.event.updateType : String(item.event.sequence);
}
