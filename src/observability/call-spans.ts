import { type Attributes, SpanKind, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import type {
  CallObserver,
  CallProtocol,
  EndedCall,
} from "../service/interceptors/measure-calls.ts";
import { isQuiet } from "./quiet-rpcs.ts";
import { errorType, ownNames, rpcNames } from "./semantic-conventions.ts";
import { contextOf, traceParentOf } from "./trace-context.ts";

/** A span for each call, below the caller's own; health checks and reflection have none. */
export function observeCallSpans(tracer: Tracer): CallObserver {
  return {
    began({ rpc, protocol, traceParent }) {
      if (isQuiet(rpc)) return { traceParent, ended: () => undefined };
      const attributes = { [rpcNames.system]: systemOf(protocol), [rpcNames.method]: rpc };
      const options = { kind: SpanKind.SERVER, attributes };
      const span = tracer.startSpan(rpc, options, contextOf(traceParent));
      return {
        traceParent: traceParentOf(span),
        ended(call) {
          span.setAttributes(attributesOf(call));
          if (isOurFault(call.code)) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
  };
}

function systemOf(protocol: CallProtocol): string {
  return protocol === "connect" ? "connectrpc" : "grpc";
}

function attributesOf(call: EndedCall): Attributes {
  const { code, protocol, requestId, address, sessionId, turnId } = call;
  return {
    [rpcNames.status]: protocol === "connect" ? code : grpcName(code),
    [ownNames.requestId]: requestId,
    ...(code !== "ok" && { [errorType]: code }),
    ...(address !== undefined && { [rpcNames.clientAddress]: address }),
    ...(turnId !== "" && { [ownNames.sessionId]: sessionId, [ownNames.turnId]: turnId }),
  };
}

/** gRPC's spelling: `NOT_FOUND`, and CANCELLED with two Ls. */
function grpcName(code: string): string {
  return code === "canceled" ? "CANCELLED" : code.toUpperCase();
}

/** The codes that the conventions count as errors of a server; others are the caller's. */
function isOurFault(code: string): boolean {
  return serverErrors.has(code);
}

const serverErrors: ReadonlySet<string> = new Set([
  "unknown",
  "deadline_exceeded",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
]);
