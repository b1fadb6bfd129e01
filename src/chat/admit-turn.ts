import type { Caller } from "./caller.ts";
import type { StartedTurn } from "./engine.ts";
import type { EngineContext } from "./engine-context.ts";
import { ChatError, type ErrorReason } from "./errors.ts";

/** What came of a request that was let in: its own turn, or one that its request_id was used for. */
export type Admitted = { started: StartedTurn; isNew: boolean };

export type AdmitOptions = {
  caller: Caller;
  make: () => Promise<Admitted>;
  /** The turn that the request's request_id was used for, if there is one by now. */
  findRepeated: () => Promise<StartedTurn | undefined>;
};

/**
 * Has a new turn made by `make` unless the server or its caller has no room for one; what was counted for it is
 * given back where no turn comes of it. A request whose twin was faster is not refused, but joins it. Throws what
 * Admission.admitTurn does, `resource_exhausted`/TOKENS_USED_UP, and what `make` throws.
 */
export async function admitTurn(
  context: EngineContext,
  { caller, make, findRepeated }: AdmitOptions,
): Promise<StartedTurn> {
  try {
    return await countTurn(context, caller, make);
  } catch (error) {
    const twin = isRefusal(error) ? await findRepeated() : undefined;
    if (twin) return twin;
    throw error;
  }
}

async function countTurn(
  context: EngineContext,
  caller: Caller,
  make: () => Promise<Admitted>,
): Promise<StartedTurn> {
  const { admission } = context;
  await admission.admitTurn(caller);
  try {
    await refuseSpent(context, caller);
    const { started, isNew } = await make();
    if (!isNew) await admission.giveBack(caller);
    return started;
  } catch (error) {
    await admission.giveBack(caller);
    throw error;
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof ChatError && refusals.has(error.reason);
}

/** Of a turn that the server, or its caller, has no room for. */
const refusals: ReadonlySet<ErrorReason> = new Set([
  "SERVER_BUSY",
  "TOO_MANY_TURNS",
  "TOO_MANY_TURNS_PER_MINUTE",
  "TOO_MANY_SESSIONS",
  "TOKENS_USED_UP",
]);

/** Turns that run are not counted yet: a caller may pass the limit by as many as it may run at once. */
async function refuseSpent(
  { store, clock }: EngineContext,
  { principal, limits: { tokensPerDayMax } }: Caller,
): Promise<void> {
  if (tokensPerDayMax === undefined) return;
  const now = clock.now();
  const used = await store.tokensUsed(principal, now);
  if (used < tokensPerDayMax) return;
  const description = `${tokensPerDayMax} tokens a day`;
  throw new ChatError(
    "resource_exhausted",
    "TOKENS_USED_UP",
    `your turns have used the ${description} that they may; the next day begins at midnight UTC`,
    {
      ...(tokensPerDayMax > 0 && { retryable: true, retryAfterMs: dayMs - (now % dayMs) }),
      quotas: [{ subject: "TOKENS_PER_DAY_MAX", description }],
    },
  );
}

const dayMs = 86_400_000;
