import type { IncomingHttpHeaders } from "node:http";
import { parseTimeout as parseConnectTimeout } from "@connectrpc/connect/protocol-connect";
import { parseTimeout as parseGrpcTimeout } from "@connectrpc/connect/protocol-grpc";

/** A timer that is set further ahead fires at once (Node, setTimeout). */
const timerMsMax = 2_147_483_647;

/**
 * Takes away a deadline that is further ahead than a timer can be set: the call has none then, instead of
 * ending at once. A malformed one stays, for the handler to refuse.
 */
export function clampTimeout(headers: IncomingHttpHeaders): void {
  drop(headers, "grpc-timeout", parseGrpcTimeout);
  drop(headers, "connect-timeout-ms", parseConnectTimeout);
}

function drop(headers: IncomingHttpHeaders, name: string, parse: typeof parseGrpcTimeout): void {
  const value = headers[name];
  if (typeof value !== "string") return;
  const { timeoutMs } = parse(value, Number.MAX_SAFE_INTEGER);
  const far = timeoutMs !== undefined && timeoutMs > timerMsMax;
  if (far) delete headers[name];
}
