import {
  Code,
  ConnectError,
  createContextKey,
  type HandlerContext,
  type Interceptor,
  type StreamResponse,
} from "@connectrpc/connect";
import { tellEnd } from "../../chat/tell-end.ts";
import { type CallFacts, callFactsKey, noteSession } from "../call-facts.ts";
import { identityKey, requestIdKey } from "../caller.ts";
import { peerKey } from "../gate.ts";

/** A call as it begins; nothing of its request has been read but the headers. */
export type BegunCall = {
  /** `chat.ChatService/Chat` */
  rpc: string;
  protocol: CallProtocol;
  /** Whether its requests or its responses stream. */
  isStream: boolean;
  /** The header as the client sent it, unchecked. */
  traceParent: string | undefined;
};

export type CallProtocol = "grpc" | "grpc-web" | "connect";

/** A call that is over. */
export type EndedCall = {
  rpc: string;
  protocol: CallProtocol;
  /** `ok` or the name of the wire's code: `not_found`. */
  code: string;
  durationMs: number;
  requestId: string;
  /** Undefined where the call was refused before that was known, and where anybody may call. */
  principal: string | undefined;
  /** Where the call came from; undefined where that is not known. */
  address: string | undefined;
} & Pick<CallFacts, "sessionId" | "turnId" | "turns">;

/** Told of every call's begin. None of these may throw. */
export interface CallObserver {
  began(call: BegunCall): CallRecord;
}

/** Told of one call's end. */
export interface CallRecord {
  /** W3C Trace Context of the call, for what it causes; undefined where nobody traces. */
  readonly traceParent: string | undefined;
  ended(call: EndedCall): void;
}

/** Ends the call's record; only the first code counts. */
type End = (code: string) => void;

const endKey = createContextKey<End | undefined>(undefined, { description: "ends the record" });

type Gate = (context: HandlerContext) => void | Promise<void>;

/**
 * Reports each call once it is over, however it ends: refused, answered, failed, or left by its client. A call
 * begins at the gate, before anything of its request is read.
 */
export function createCallMeasure(observer: CallObserver): {
  /** The gate that calls pass: records them, and what `next` refuses. */
  gate: (next?: Gate) => Gate;
  /** Records how calls end that came through the gate. */
  interceptor: Interceptor;
} {
  return {
    gate: (next) => async (context) => {
      const end = begin(observer, context);
      context.values.set(endKey, end);
      try {
        await next?.(context);
      } catch (error) {
        end(codeName(error));
        throw error;
      }
    },
    interceptor: (next) => async (request) => {
      const end = request.contextValues.get(endKey) ?? (() => undefined);
      const { contextValues: values, message } = request;
      if ("sessionId" in message) noteSession({ values }, String(message.sessionId));
      try {
        const response = await next(request);
        if (response.stream) return measureStream(response, end);
        end("ok");
        return response;
      } catch (error) {
        end(codeName(error));
        throw error;
      }
    },
  };
}

function begin(observer: CallObserver, context: HandlerContext): End {
  const { service, method, values, signal, requestHeader } = context;
  const rpc = `${service.typeName}/${method.name}`;
  const protocol = protocolOf(requestHeader.get("content-type") ?? "");
  const traceParent = requestHeader.get("traceparent") ?? undefined;
  const isStream = method.methodKind !== "unary";
  const startedMs = performance.now();
  const record = observer.began({ rpc, protocol, isStream, traceParent });
  const facts: CallFacts = {
    traceParent: record.traceParent,
    sessionId: "",
    turnId: "",
    turns: 0,
  };
  values.set(callFactsKey, facts);
  let over = false;
  const end = (code: string) => {
    if (over) return;
    over = true;
    const durationMs = performance.now() - startedMs;
    const { sessionId, turnId, turns } = facts;
    const requestId = values.get(requestIdKey);
    const principal = values.get(identityKey)?.principal;
    const address = values.get(peerKey)?.address || undefined;
    const known = { requestId, principal, address, sessionId, turnId, turns };
    record.ended({ rpc, protocol, code, durationMs, ...known });
  };
  // The signal aborts on completion too; a call that has not ended by then was left by its client, or its
  // request could not be read.
  const leave = () => {
    if (!over) end(departureName(signal.reason));
  };
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  return end;
}

function measureStream(response: StreamResponse, end: End): StreamResponse {
  const message = tellEnd<unknown>(response.message, {
    onDone: () => end("ok"),
    onError(error) {
      end(codeName(error));
      return error;
    },
  });
  return { ...response, message } as StreamResponse;
}

/** A client that left, or a connection that vanished, which HTTP/2 calls INTERNAL. */
function departureName(reason: unknown): string {
  const name = codeName(reason);
  return name === "internal" || name === "unknown" ? "canceled" : name;
}

/** The code of what was thrown, as `not_found`. */
export function codeName(error: unknown): string {
  return snakeCase(Code[ConnectError.from(error).code]);
}

/** `InvalidArgument` as `invalid_argument`. */
function snakeCase(name = "Unknown"): string {
  return name.replace(/(?<=[a-z])[A-Z]/g, "_$&").toLowerCase();
}

/** Which protocol a request of that content type speaks. */
export function protocolOf(contentType: string): CallProtocol {
  if (contentType.startsWith("application/grpc-web")) return "grpc-web";
  if (contentType.startsWith("application/grpc")) return "grpc";
  return "connect";
}
