import type { IncomingHttpHeaders } from "node:http";
import { parseTimeout as parseConnectTimeout } from "@connectrpc/connect/protocol-connect";
import { parseTimeout as parseGrpcTimeout } from "@connectrpc/connect/protocol-grpc";
import type { FastifyInstance } from "fastify";
import type { ChatError } from "../chat/errors.ts";
import { credentialRepeated, metadataInvalid, timeoutInvalid } from "./request-errors.ts";

/**
 * Writes the content type of every request in lower case, in which all that looks at it compares it: it is the same
 * in any (RFC 9110 section 8.3.1), its parameters, of which ours has only charset, too. To be called before anything answers.
 */
export function lowerContentType(fastify: FastifyInstance): void {
  fastify.addHook("onRequest", async ({ raw: { headers } }) => {
    const contentType = headers["content-type"];
    if (contentType !== undefined) headers["content-type"] = contentType.toLowerCase();
  });
}

/** A timer that is set further ahead fires at once (Node, setTimeout). */
const timerMsMax = 2_147_483_647;

/**
 * What is wrong with a call's headers: two credentials, of which Node drops one (`rawHeaders` still has both), a deadline that is none, or binary metadata that is no base64. A deadline
 * that is further ahead than a timer can be set is taken away, for the call would end at once by it.
 */
export function checkHeaders(
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[] = [],
): ChatError | undefined {
  if (countOf("authorization", rawHeaders) > 1) return credentialRepeated();
  const isGrpc = headers["content-type"]?.startsWith("application/grpc") ?? false;
  return (
    (isGrpc
      ? checkTimeout(headers, "grpc-timeout", parseGrpcTimeout)
      : checkTimeout(headers, "connect-timeout-ms", parseConnectTimeout)) ?? checkMetadata(headers)
  );
}

/** How many headers have that name; names and values alternate. */
function countOf(name: string, rawHeaders: readonly string[]): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const other = rawHeaders[index];
    if (other?.length === name.length && other.toLowerCase() === name) count += 1;
  }
  return count;
}

function checkTimeout(
  headers: IncomingHttpHeaders,
  name: string,
  parse: typeof parseGrpcTimeout,
): ChatError | undefined {
  const value = headers[name];
  if (value === undefined) return undefined;
  const { timeoutMs, error } = parse(String(value), Number.MAX_SAFE_INTEGER);
  if (timeoutMs !== undefined && timeoutMs > timerMsMax) delete headers[name];
  else if (error) return timeoutInvalid(name, String(value));
  return undefined;
}

/** Base64 in either alphabet, padded or not; several values of one header are joined by commas. */
const base64 = /^(?:[\w+/-]{4})*(?:[\w+/-]{2}(?:==)?|[\w+/-]{3}=?)?$/;

/** Whether a text is base64, as headers and queries carry it. */
export function isBase64(text: string): boolean {
  return base64.test(text);
}

function checkMetadata(headers: IncomingHttpHeaders): ChatError | undefined {
  for (const name in headers) {
    if (!name.endsWith("-bin")) continue;
    const values = [headers[name] ?? ""].flat().flatMap((value) => value.split(","));
    if (!values.every((value) => isBase64(value.trim()))) return metadataInvalid(name);
  }
  return undefined;
}
