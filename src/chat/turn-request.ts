import { createHash } from "node:crypto";
import type { Part } from "./message.ts";
import type { GenerationConfig } from "./session.ts";
import type { ChunkBy, OnDisconnect, TurnType } from "./turn.ts";

/** What a request for a turn does when another one runs or waits in the session (DESIGN section 2, rule 8). */
export type OnBusy = "enqueue" | "reject" | "interrupt";

/** A request for a turn. */
export type TurnRequest = {
  type: TurnType;
  /** Empty opens a session, for a `message`. */
  sessionId: string;
  /** The user's message; empty on `regenerate` and `continue`. */
  parts: readonly Part[];
  /**
   * On `edit`: the user's message that this one replaces. On `regenerate` and `continue`, where not empty: the
   * message that the caller takes for the last one.
   */
  messageId: string;
  /** The idempotency key; empty for none. */
  requestId: string;
  /** On a re-send: what the caller has seen. */
  afterSequence: number;
  /** 0 where the caller does not say. */
  afterEpoch: number;
  onBusy: OnBusy | undefined;
  onDisconnect: OnDisconnect | undefined;
  /** Empty for the session's own. */
  modelId: string;
  systemInstruction: string;
  generation: GenerationConfig;
  chunkBy: ChunkBy;
  /** W3C Trace Context of the call. */
  traceParent?: string;
};

/**
 * A digest of what a repetition of the request must agree in (rule 7). The session is compared apart, as the
 * first sending may not have named it.
 */
export function fingerprintOf(request: TurnRequest): string {
  const { type, parts, messageId, modelId, systemInstruction, generation, chunkBy } = request;
  return digest([type, parts, messageId, modelId, systemInstruction, sorted(generation), chunkBy]);
}

/** SHA-256 of a value's JSON, hexadecimal. */
export function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

/** An object's entries in an order that does not depend on how it was made. */
export function sorted(values: object): [string, unknown][] {
  return Object.entries(values).toSorted(([one], [other]) => (one < other ? -1 : 1));
}
