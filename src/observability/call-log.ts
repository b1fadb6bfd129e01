import type { FastifyBaseLogger } from "fastify";
import type { CallObserver, EndedCall } from "../service/interceptors/measure-calls.ts";
import type { UnexpectedError } from "../service/interceptors/translate-errors.ts";
import { isQuiet } from "./quiet-rpcs.ts";
import { traceIdOf } from "./trace-context.ts";

/** What our ids look like; a request may name any text as its session. */
const idPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A line for each call, when it is over: `info`, and `debug` for probes. */
export function logCalls(log: FastifyBaseLogger): CallObserver {
  return {
    began: ({ traceParent }) => ({
      traceParent,
      ended: (call) =>
        log[isQuiet(call.rpc) ? "debug" : "info"](lineOf(call, traceParent), "call ended"),
    }),
  };
}

function lineOf(call: EndedCall, traceParent: string | undefined) {
  const { rpc, protocol, code, durationMs, requestId, principal, address } = call;
  const { sessionId, turnId, turns } = call;
  return {
    rpc,
    protocol,
    code,
    durationMs: Math.round(durationMs * 10) / 10,
    requestId,
    principal,
    address,
    sessionId: idPattern.test(sessionId) ? sessionId : undefined,
    turnId: turnId === "" ? undefined : turnId,
    turns: turns > 1 ? turns : undefined,
    traceId: traceIdOf(traceParent),
  };
}

/** What nobody expected, with its cause. */
export function logUnexpected(log: FastifyBaseLogger): (unexpected: UnexpectedError) => void {
  return ({ rpc, requestId, error }) =>
    log.error({ rpc: rpc.split("?")[0], requestId, err: error }, "call failed unexpectedly");
}
