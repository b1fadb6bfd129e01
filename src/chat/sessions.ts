import { type Caller, requireOwnRequestId } from "./caller.ts";
import { type EngineContext, openLane, requireSession, tellList } from "./engine-context.ts";
import { sessionNotFound } from "./errors.ts";
import type { NewEvent, RecordedUpdateType } from "./event.ts";
import type { Lane } from "./lane.ts";
import { retryUntil } from "./retry.ts";
import { withdraw } from "./run-turns.ts";
import type { GenerationConfig, Principal, Session, SessionDetails } from "./session.ts";
import type { RequestKey, SessionChanges } from "./store.ts";
import { endUnlessStuck, refuseWhileStuck } from "./stuck-turn.ts";
import { digest, sorted } from "./turn-request.ts";

/** Settings of a session that is to be created; what is empty is the server's choice. */
export type NewSession = {
  modelId: string;
  title: string;
  systemInstruction: string;
  generation: GenerationConfig;
  metadata: Readonly<Record<string, string>>;
  /** The idempotency key; empty for none. */
  requestId: string;
};

export type ForkRequest = {
  sessionId: string;
  /** Empty keeps all. */
  upToMessageId: string;
  /** Empty keeps the original's. */
  title: string;
  requestId: string;
};

/** What UpdateSession changes; a model is named by id or alias. */
export type SessionUpdate = Omit<SessionChanges, "model"> & { modelId?: string };

export async function createSession(
  context: EngineContext,
  caller: Caller,
  settings: NewSession,
): Promise<Session> {
  const { principal } = caller;
  const { store, models, clock, newId, stats } = context;
  const { modelId, title, systemInstruction, generation, metadata, requestId } = settings;
  const kept = { title, systemInstruction, generation, metadata };
  const payload = [
    "create",
    modelId,
    title,
    systemInstruction,
    sorted(generation),
    sorted(metadata),
  ];
  const now = clock.now();
  const session: Session = {
    sessionId: newId(),
    principal,
    model: models.resolve(modelId).info.modelId,
    ...kept,
    createdAt: now,
    updatedAt: now,
  };
  const key = keyOf(caller, requestId, payload);
  const created = await store.createSession(session, key, caller.limits.sessionsMax);
  if (created.sessionId === session.sessionId) {
    stats.of(principal).sessionCreated();
    tellList(context, principal, session.sessionId, "session_created");
  }
  return created;
}

/**
 * Changes what is different; where nothing is, the session keeps its etag and nobody is told. Throws `not_found`,
 * `aborted`/ETAG_MISMATCH, `invalid_argument`/MODEL_UNKNOWN, `unavailable`/STORAGE_UNAVAILABLE.
 */
export async function updateSession(
  context: EngineContext,
  principal: Principal,
  sessionId: string,
  { modelId, ...changes }: SessionUpdate,
  etag: string,
): Promise<SessionDetails> {
  const { store, models, clock } = context;
  const lane = await openLane(context, await requireSession(context, principal, sessionId));
  const model = modelId === undefined ? {} : { model: models.resolve(modelId).info.modelId };
  return lane.serially(async () => {
    if (lane.deleted) throw sessionNotFound(sessionId);
    refuseWhileStuck(lane);
    const before = await requireSession(context, principal, sessionId);
    const changed = differing(before, { ...changes, ...model });
    const fields = Object.keys(changed).map(fieldName);
    // Another etag is for the store to refuse.
    if (fields.length === 0 && (etag === "" || etag === before.etag)) return before;
    const now = clock.now();
    const session = await store.updateSession(principal, sessionId, changed, etag, now);
    const data = { fields, title: session.title, model: session.model, etag: session.etag };
    await recordForSession(context, sessionId, "session_changed", data);
    tellList(context, principal, sessionId, "session_changed", { title: session.title });
    return session;
  });
}

export async function forkSession(
  context: EngineContext,
  caller: Caller,
  fork: ForkRequest,
): Promise<SessionDetails> {
  const { principal } = caller;
  const { store, clock, newId, stats } = context;
  const { sessionId: fromSessionId, upToMessageId, title, requestId } = fork;
  const sessionId = newId();
  const requestKey = keyOf(caller, requestId, ["fork", fromSessionId, upToMessageId, title]);
  const { sessionsMax } = caller.limits;
  const made = await store.forkSession({
    principal,
    fromSessionId,
    upToMessageId,
    sessionId,
    title,
    createdAt: clock.now(),
    newMessageId: newId,
    ...(requestKey && { requestKey }),
    ...(sessionsMax !== undefined && { sessionsMax }),
  });
  if (made.sessionId === sessionId) {
    stats.of(principal).sessionCreated();
    tellList(context, principal, sessionId, "session_created");
  }
  return made;
}

/** The changes that make a difference. */
function differing(session: Session, changes: SessionChanges): SessionChanges {
  const entries = Object.entries(changes).filter(([name, value]) => {
    return digest(orderOf(value)) !== digest(orderOf(session[name as keyof SessionChanges]));
  });
  return Object.fromEntries(entries);
}

/** A setting in a form that does not depend on how it was made. */
function orderOf(value: string | object): unknown {
  return typeof value === "string" ? value : sorted(value);
}

/** How long readers of a deleted session are given to take that in. */
const lastWordsMs = 500;

/**
 * Cancels what runs and waits, tells the session's readers, then removes everything (rule 16). Throws `not_found`, and
 * `unavailable`/STORAGE_UNAVAILABLE where the storage takes no writes: the session is there then, and is not removed
 * later; what was cancelled comes to its end.
 */
export async function deleteSession(
  context: EngineContext,
  principal: Principal,
  sessionId: string,
): Promise<void> {
  const lane = await openLane(context, await requireSession(context, principal, sessionId));
  await lane.serially(async () => {
    await requireSession(context, principal, sessionId);
    await removeSession(context, lane);
  });
}

/** The same for a session that is there; part of its lane's work. */
export async function removeSession(context: EngineContext, lane: Lane): Promise<void> {
  const { store, log, clock, givenUp } = context;
  const { principal, sessionId } = lane;
  refuseWhileStuck(lane);
  const settle = lane.beginDeletion();
  try {
    for (const waiting of lane.queued.slice()) await withdraw(context, lane, waiting);
    const { running } = lane;
    running?.stop({ finishReason: "cancelled" });
    if (running) await endUnlessStuck(running);
    await store.deleteSession(principal, sessionId, clock.now());
    lane.deleted = true;
    tellList(context, principal, sessionId, "session_deleted");
    // Readers that do not hear of it find the session gone all the same.
    await recordForSession(context, sessionId, "session_deleted", {}).catch(() => undefined);
  } finally {
    settle();
  }
  await lane.readersGone(lastWordsMs);
  // Where this is not done, the next start of the program does it.
  await retryUntil(givenUp.signal, () => log.drop(sessionId));
  await store.forgetDeleted(sessionId);
}

/** Records what belongs to the session and to none of its turns. */
async function recordForSession(
  { log, clock }: EngineContext,
  sessionId: string,
  updateType: RecordedUpdateType,
  data: Record<string, unknown>,
): Promise<void> {
  const at = clock.now();
  const event: NewEvent = { type: "session_update", updateType, data, at, elapsedMs: 0 };
  await log.append({ sessionId, turnId: "", fence: 0, batch: 0, events: [event] });
}

function keyOf(caller: Caller, requestId: string, payload: unknown): RequestKey | undefined {
  requireOwnRequestId(caller, requestId);
  return requestId === "" ? undefined : { requestId, fingerprint: digest(payload) };
}

/** A field's name in the contract. */
function fieldName(name: string): string {
  if (name === "model") return "model_id";
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
