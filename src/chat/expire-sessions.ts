import { type EngineContext, openLane } from "./engine-context.ts";
import { removeSession } from "./sessions.ts";
import type { ExpiredSession, Store } from "./store.ts";

/** Sessions that one sweep deletes; what is left comes with the next. */
const deletedMax = 100;
/** Sessions that are asked for at a time. */
const pageSize = 100;

export type Sweep = { deleted: number /** It ended at its bound. */; more: boolean };

/**
 * Deletes sessions that nobody has changed for `ttlMs`, as their callers would, so that whoever watches the list
 * hears of it and request ids live on (SESSION_TTL_MS). One in which a turn runs or waits, or that somebody reads
 * or watches, stays until the next sweep. Ends early when `signal` aborts. Throws what the store does.
 */
export async function sweepExpired(
  context: EngineContext,
  ttlMs: number,
  signal: AbortSignal,
): Promise<Sweep> {
  const before = context.clock.now() - ttlMs;
  let deleted = 0;
  for (let after: ExpiredSession | undefined; ; ) {
    const page = await listAfter(context.store, before, after);
    for (const session of page) {
      if (signal.aborted || deleted >= deletedMax) return { deleted, more: true };
      if (await expire(context, session, before)) deleted += 1;
    }
    if (page.length < pageSize) return { deleted, more: false };
    after = page.at(-1);
  }
}

function listAfter(store: Store, before: number, after: ExpiredSession | undefined) {
  return store.listExpired({ before, count: pageSize, ...(after && { after }) });
}

/** False where the session is in use, has changed meanwhile, or is gone. */
async function expire(
  context: EngineContext,
  { principal, sessionId }: ExpiredSession,
  before: number,
): Promise<boolean> {
  const look = () => context.store.getSession(principal, sessionId);
  const session = await look();
  if (!session) return false;
  const lane = await openLane(context, session);
  return lane.serially(async () => {
    const updatedAt = (await look())?.updatedAt;
    if (updatedAt === undefined || updatedAt >= before) return false;
    if (!lane.isIdle() || lane.isRead()) return false;
    await removeSession(context, lane);
    return true;
  });
}

/** How long after the start, and after each sweep, the next one begins, milliseconds: a tenth of the time to live. */
const delayMs = { min: 1_000, max: 60 * 60 * 1_000 };

export type Expiry = {
  /** No further sweep begins, and one that runs ends soon; resolves when it has. */
  stop(): Promise<void>;
};

/**
 * Sweeps from time to time where sessions have a time to live, each time a little earlier or later, so that
 * replicas do not all do it at once.
 */
export function startExpiry(context: EngineContext): Expiry {
  const { sessionTtlMs, observer } = context;
  const stopped = new AbortController();
  const usualMs = Math.min(Math.max(sessionTtlMs / 10, delayMs.min), delayMs.max);
  let running = Promise.resolve();
  let timer = sessionTtlMs === 0 ? undefined : schedule(usualMs);

  function schedule(ms: number): NodeJS.Timeout {
    const next = setTimeout(() => {
      running = run();
    }, jittered(ms));
    next.unref();
    return next;
  }

  async function run(): Promise<void> {
    const more = await sweep();
    if (!stopped.signal.aborted) timer = schedule(more ? delayMs.min : usualMs);
  }

  async function sweep(): Promise<boolean> {
    try {
      const { deleted, more } = await sweepExpired(context, sessionTtlMs, stopped.signal);
      if (deleted > 0) observer.sessionsExpired(deleted);
      return more;
    } catch (error) {
      observer.expiryFailed(error);
      return false;
    }
  }

  return {
    stop() {
      stopped.abort();
      clearTimeout(timer);
      return running;
    },
  };
}

/** From a half to one and a half times as long. */
function jittered(ms: number): number {
  return ms * (0.5 + Math.random());
}
