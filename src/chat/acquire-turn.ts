import type { Clock } from "./clock.ts";
import { sessionBusy } from "./errors.ts";
import type { EventLog } from "./event-log.ts";
import { endAbandonedTurn } from "./recovery.ts";
import type { NewTurn, Store } from "./store.ts";
import type { Turn } from "./turn.ts";

type AcquireOptions = { store: Store; log: EventLog; clock: Clock; owner: string };

/**
 * Makes a turn durable and running. Throws `failed_precondition`/SESSION_BUSY when another runs in its
 * session, and what the store throws; nothing is stored then.
 */
export async function acquireTurn(
  options: AcquireOptions,
  newTurn: NewTurn,
): Promise<{ turn: Turn; fence: number }> {
  const { store, owner } = options;
  const { turnId, sessionId } = newTurn.turn;
  // Posted together, so that both are in one transaction where the store can do that.
  const [created, first] = await Promise.allSettled([
    store.createTurn(newTurn),
    store.acquireTurn(sessionId, owner),
  ]);
  try {
    let acquired = resultOf(first);
    if (acquired === "idle") {
      // The store refused the turn, or has taken the two in the other order.
      resultOf(created);
      acquired = await store.acquireTurn(sessionId, owner);
    }
    while (typeof acquired === "object" && acquired.turn.turnId !== turnId) {
      // Left by a start that failed half way, and whose caller was told so: it never ran.
      await endAbandonedTurn(options, acquired.turn, acquired.fence);
      acquired = await store.acquireTurn(sessionId, owner);
    }
    resultOf(created);
    if (typeof acquired === "object") return acquired;
    throw sessionBusy(sessionId);
  } catch (error) {
    // Where this fails too, the next start in the session finds what is left.
    await takeBack(store, newTurn).catch(() => undefined);
    throw error;
  }
}

async function takeBack(store: Store, { turn, session }: NewTurn): Promise<void> {
  await store.discardQueuedTurn(turn.sessionId, turn.turnId);
  if (session) await store.deleteSession(session.principal, session.sessionId);
}

function resultOf<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === "rejected") throw settled.reason;
  return settled.value;
}
