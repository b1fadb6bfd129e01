import { type ChatResponse, ChatResponse_Type as EventType } from "../gen/chat/chat_pb.ts";

/** The facts of the unrecorded updates that the client itself acts on. */
type Facts = {
  watching: { lastSequence: bigint; epoch: number; heartbeatMs: number | undefined };
  live: Record<never, never>;
  draining: Record<never, never>;
};

const readers: { [K in keyof Facts]: (data: Record<string, unknown>) => Facts[K] } = {
  watching: (data) => ({
    lastSequence: toBigInt(data.last_sequence),
    epoch: toNumber(data.epoch) ?? 0,
    heartbeatMs: toNumber(data.heartbeat_ms),
  }),
  live: () => ({}),
  draining: () => ({}),
};

/** The facts of the SESSION_UPDATE of this type; undefined where the event is another one. */
export function readUpdate<K extends keyof Facts>(
  event: ChatResponse,
  type: K,
): Facts[K] | undefined {
  if (event.type !== EventType.SESSION_UPDATE || event.updateType !== type) return undefined;
  return readers[type](parse(event.updateData));
}

/** What only keeps the stream: never handed to the consumer. */
export function isKeepAlive({ type }: ChatResponse): boolean {
  return type === EventType.HEARTBEAT || type === EventType.PONG;
}

/** A server's broken JSON costs its facts and not the stream. */
function parse(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function toNumber(value: unknown): number | undefined {
  const number = Number(value ?? Number.NaN);
  return Number.isFinite(number) && number >= 0 ? number : undefined;
}

function toBigInt(value: unknown): bigint {
  return typeof value === "string" && /^\d{1,20}$/.test(value)
    ? BigInt(value)
    : BigInt(Math.floor(toNumber(value) ?? 0));
}
