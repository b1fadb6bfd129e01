import { unlessAborted } from "./clock.ts";
import type { ClientContext } from "./context.ts";

/** Request headers, as the Headers constructor takes them. */
export type HeaderFields = Headers | Record<string, string> | [string, string][];

/** The headers of one attempt: the caller's own and the token of this moment. */
export async function callHeaders(
  context: ClientContext,
  extra: HeaderFields | undefined,
  signal: AbortSignal,
): Promise<Headers> {
  const headers = new Headers(extra);
  const { getToken } = context;
  if (getToken === undefined) return headers;
  const token = await unlessAborted(Promise.resolve(getToken(signal)), signal);
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  return headers;
}
