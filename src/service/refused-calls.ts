import type { ConnectError } from "@connectrpc/connect";
import type { FastifyRequest } from "fastify";
import type { Peer } from "./gate.ts";
import { type CallObserver, codeName, protocolOf } from "./interceptors/measure-calls.ts";
import { rpcAccess } from "./scopes.ts";

/** Told of a call that is refused before it reaches the gate, from which on calls are measured. */
export type RecordRefusal = (request: FastifyRequest, error: ConnectError) => void;

/** How an RPC is called that does not exist: what clients make up must be no label of a metric. */
export const unknownRpcName = "unknown";

/**
 * Records what is refused for its headers, its origin, its HTTP method, its content type or its path as a call that began
 * and ended in that moment, so that it is counted and logged as any other.
 */
export function createRefusalRecorder(
  calls: CallObserver,
  peerOf: (request: FastifyRequest) => Peer,
): RecordRefusal {
  return (request, error) => {
    const { "content-type": contentType = "", traceparent } = request.headers;
    const path = request.url.split("?")[0] ?? "";
    const name = path.slice(1);
    const rpc = Object.hasOwn(rpcAccess, name) ? name : unknownRpcName;
    const protocol = protocolOf(contentType);
    const traceParent = typeof traceparent === "string" ? traceparent : undefined;
    const call = calls.began({ rpc, protocol, isStream: false, traceParent });
    call.ended({
      rpc,
      protocol,
      code: codeName(error),
      durationMs: 0,
      requestId: request.id,
      principal: undefined,
      address: peerOf(request).address || undefined,
      sessionId: "",
      turnId: "",
      turns: 0,
    });
  };
}
