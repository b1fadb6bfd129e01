import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type Client, Code, type ConnectError } from "@connectrpc/connect";
import type { CallerLimits } from "../../../src/chat/caller.ts";
import type { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import {
  QuotaFailureSchema,
  RetryInfoSchema,
} from "../../../src/gen/google/rpc/error_details_pb.ts";
import { type AuthApp, bearer, startAuthApp, untilStatus } from "../../support/auth.ts";
import type { TestKey } from "../../support/keys.ts";
import { connectLane, type Lane } from "../../support/lanes.ts";
import { assertError } from "../../support/wire.ts";

type Chat = Client<typeof ChatService>;

/** A server where alice has limits, and bob none. */
export type Limited = AuthApp & {
  /** Clients of the two, by one lane. */
  connect(lane: Lane): { aliceChat: Chat; bobChat: Chat };
};

export async function startLimited(t: TestContext, limits: CallerLimits): Promise<Limited> {
  const app = await startAuthApp(t);
  app.keys.change(app.alice, { limits });
  // The server has noticed when it takes a key that was added after.
  await untilStatus(app, app.keys.create(), 200);
  const as = (lane: Lane, key: TestKey) => withHeader(connectLane(app, lane).chat, bearer(key));
  return Object.assign(app, {
    connect: (lane: Lane) => ({ aliceChat: as(lane, app.alice), bobChat: as(lane, app.bob) }),
  });
}

/** The client with the header on each of its calls. */
function withHeader(chat: Chat, headers: Record<string, string>): Chat {
  type Call = (request: unknown, options?: object) => unknown;
  const calls = Object.entries(chat as unknown as Record<string, Call>).map(([name, call]) => [
    name,
    (request: unknown, options = {}) => call(request, { ...options, headers }),
  ]);
  return Object.fromEntries(calls) as Chat;
}

/** What a refusal says of when to try again. */
export type Again = {
  /** RetryInfo, milliseconds; undefined where waiting does not help. */
  readonly retryMs: number | undefined;
};

/** Checks a limit's refusal on the wire: its reason, which limit it is, and that all say the same of waiting. */
export function assertRefused(error: ConnectError, reason: string, subject: string): Again {
  assertError(error, Code.ResourceExhausted, reason);
  const [quota] = error.findDetails(QuotaFailureSchema);
  assert.deepEqual(
    quota?.violations.map((violation) => violation.subject),
    [subject],
  );
  return assertRetry(error);
}

/** RetryInfo, gRPC's pushback and HTTP's Retry-After agree. */
export function assertRetry(error: ConnectError): Again {
  const [info] = error.findDetails(RetryInfoSchema);
  const delay = info?.retryDelay;
  const retryMs = delay && Number(delay.seconds) * 1_000 + delay.nanos / 1_000_000;
  const { metadata } = error;
  const isLong = retryMs === undefined || retryMs > 60_000;
  assert.equal(metadata.get("grpc-retry-pushback-ms"), isLong ? "-1" : String(retryMs));
  const seconds = retryMs === undefined ? null : String(Math.ceil(retryMs / 1_000));
  assert.equal(metadata.get("retry-after"), seconds);
  return { retryMs };
}
