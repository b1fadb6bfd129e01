import type { ConnectError, Interceptor } from "@connectrpc/connect";
import { tellEnd } from "../../chat/tell-end.ts";
import { requestIdKey } from "../caller.ts";
import { toCallError } from "../convert-errors.ts";
import { withReason } from "../request-errors.ts";

/** A call that failed in a way nobody expected, for the log. */
export type UnexpectedError = { rpc: string; requestId: string; error: unknown };

/**
 * Turns what handlers throw into the wire's errors, for unary calls and for what streams throw later. What
 * nobody expected reaches the client as INTERNAL with a constant text, and is reported once with its cause.
 */
export function createErrorTranslator(report: (error: UnexpectedError) => void): Interceptor {
  return (next) => async (request) => {
    const translate = (thrown: unknown): ConnectError => {
      const { error, unexpected } = toCallError(thrown);
      // A connection that vanishes ends its calls with an INTERNAL of HTTP/2's own.
      const isDeparture = request.signal.aborted && thrown === request.signal.reason;
      if (unexpected && !isDeparture) {
        const rpc = `${request.service.typeName}/${request.method.name}`;
        report({ rpc, requestId: request.contextValues.get(requestIdKey), error: thrown });
      }
      return withReason(error);
    };
    try {
      const response = await next(request);
      if (!response.stream) return response;
      const message = tellEnd<unknown>(response.message, { onError: translate });
      return { ...response, message } as typeof response;
    } catch (error) {
      throw translate(error);
    }
  };
}
