import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Clock } from "../../src/chat/clock.ts";
import type { AcquiredTurn, NewTurn, Page, Store } from "../../src/chat/store.ts";
import type { Turn, TurnEnd } from "../../src/chat/turn.ts";
import type { TidyStore } from "../../src/store/tidier.ts";
import { alice, newTurn, sampleEnd, sampleSession, sampleTurn } from "./store-samples.ts";

/** Makes a store whose background work goes by that clock. */
export type CreateStore = (t: TestContext, clock?: Clock) => Promise<TidyStore>;

export const notFound = { kind: "not_found", reason: "SESSION_NOT_FOUND" };
export const staleFence = { kind: "aborted", reason: "STALE_FENCE" };
export const requestIdReused = { kind: "already_exists", reason: "REQUEST_ID_REUSED" };
export const firstPage = { pageSize: 50, pageToken: "" };
export const allSessions = { ...firstPage, query: "" };
export const oldestFirst = { ...firstPage, newestFirst: false, includeReplaced: false };

/** Creates the turn as the last of its session's queue. */
export async function addTurn(store: Store, turn: Turn, rest?: Partial<NewTurn>): Promise<void> {
  assert.deepEqual(await store.createTurn(newTurn(turn, rest)), { outcome: "created" });
}

/** Acquires the session's next turn, which there must be. */
export async function acquire(store: Store, sessionId = "s1"): Promise<AcquiredTurn> {
  const acquired = await store.acquireTurn(sessionId, "me");
  assert.ok(typeof acquired === "object", "no turn waits, or another one runs");
  return acquired;
}

/** Runs the session's next turn, named `name`, to its end. */
export async function run(
  store: Store,
  name: string,
  fields: Partial<TurnEnd> = {},
): Promise<TurnEnd> {
  const { turn, fence } = await acquire(store, fields.sessionId);
  assert.equal(turn.turnId, name);
  const end = sampleEnd(name, fence, { replyMessageId: turn.replyMessageId, ...fields });
  await store.endTurn(end);
  return end;
}

/** Creates turns of session s1 and runs each to its end; its events are the next four. */
export async function fill(store: Store, ...names: string[]): Promise<void> {
  if (!(await store.getSession(alice, "s1"))) await store.createSession(sampleSession());
  for (const name of names) {
    await addTurn(store, sampleTurn(name));
    const session = await store.getSession(alice, "s1");
    await run(store, name, { sequence: (session?.lastSequence ?? 0) + 4 });
  }
}

export function idsOf(page: Page<{ messageId: string }>): string[] {
  return page.items.map(({ messageId }) => messageId);
}

/** Ids of the messages of session s1, oldest first. */
export async function listIds(store: Store, includeReplaced = false): Promise<string[]> {
  return idsOf(await store.listMessages(alice, "s1", { ...oldestFirst, includeReplaced }));
}
