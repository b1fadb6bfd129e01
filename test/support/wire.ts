import assert from "node:assert/strict";
import type { DescEnum } from "@bufbuild/protobuf";
import { type Code, ConnectError } from "@connectrpc/connect";
import {
  type ChatResponse,
  ChatResponse_Type,
  ChatResponse_TypeSchema,
} from "../../src/gen/chat/chat_pb.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../src/gen/google/rpc/error_details_pb.ts";

/** A timestamp as DESIGN section 1 says, which Python's datetime.fromisoformat takes since 3.7. */
export const timestampPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/;

/** The values of a stream that ends well. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of stream) values.push(value);
  return values;
}

/** The values of a stream, and the error that it ended with. */
export async function collectFailing<T>(
  stream: AsyncIterable<T>,
): Promise<{ values: T[]; error: ConnectError }> {
  const values: T[] = [];
  const reading = (async () => {
    for await (const value of stream) values.push(value);
  })();
  return { values, error: await failureOf(reading) };
}

/** The error that a call ends with. */
export async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(outcome instanceof ConnectError, `no status but ${String(outcome)}`);
  return outcome;
}

/** Checks code and reason and that the details are ours; returns them. */
export function assertError(error: ConnectError, code: Code, reason: string) {
  const [info] = error.findDetails(ErrorInfoSchema);
  assert.equal(error.code, code, `${error}`);
  assert.ok(info, `no ErrorInfo: ${error}`);
  assert.equal(info.domain, "chatwire");
  assert.equal(info.reason, reason);
  const [badRequest] = error.findDetails(BadRequestSchema);
  const [retry] = error.findDetails(RetryInfoSchema);
  return {
    metadata: info.metadata,
    fields: badRequest?.fieldViolations.map(({ field }) => field) ?? [],
    retryMs: retry?.retryDelay && Number(retry.retryDelay.seconds) * 1_000,
  };
}

export function typeNames(events: readonly ChatResponse[]): string[] {
  return events.map(({ type }) => enumName(ChatResponse_TypeSchema, type));
}

/** The reply that the chunks of these events make. */
export function replyOf(events: readonly ChatResponse[]): string {
  return events
    .filter(({ type, thought }) => type === ChatResponse_Type.CHUNK && !thought)
    .map(({ chunkText }) => chunkText)
    .join("");
}

/** The only event of a type. */
export function theOnly(events: readonly ChatResponse[], type: ChatResponse_Type): ChatResponse {
  const [found, ...more] = events.filter((event) => event.type === type);
  assert.ok(
    found && more.length === 0,
    `not one ${enumName(ChatResponse_TypeSchema, type)}: ${typeNames(events).join()}`,
  );
  return found;
}

/** A value's name without its enum's prefix. */
export function enumName(desc: DescEnum, value: number): string {
  return desc.value[value]?.localName ?? String(value);
}
