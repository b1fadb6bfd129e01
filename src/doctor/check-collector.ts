import type { Config } from "../config.ts";
import { type Finding, reportOf } from "./finding.ts";

const { ok, failed } = reportOf("traces");
/** How long the collector may take. */
const timeoutMs = 5_000;
const advice =
  "look at OTEL_EXPORTER_OTLP_ENDPOINT and the collector; without it the server runs, and traces are lost";

/** Whether OTEL_EXPORTER_OTLP_ENDPOINT takes traces: it is sent a request with none in it. */
export async function checkCollector({ otlpEndpoint }: Config): Promise<Finding[]> {
  if (otlpEndpoint === undefined) return [];
  const url = new URL(`${otlpEndpoint.replace(/\/+$/, "")}/v1/traces`);
  // What stands before an @ may be a password.
  const told = `${url.origin}${url.pathname}`;
  try {
    const { ok: isTaken, status } = await fetch(told, {
      method: "POST",
      // An ExportTraceServiceRequest without a span is no bytes at all.
      headers: { "content-type": "application/x-protobuf" },
      body: new Uint8Array(),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (isTaken) return [ok(`${told} takes them`)];
    // It may want what OTEL_EXPORTER_OTLP_HEADERS has, which is not shown to it here.
    if (status === 401 || status === 403) return [ok(`${told} answers, and wants a credential`)];
    return [failed(`${told} answers with status ${status}`, advice)];
  } catch (error) {
    return [failed(`${told} cannot be reached (${reasonOf(error as Error)})`, advice)];
  }
}

/** fetch has what happened in its error's cause. */
function reasonOf({ name, message, cause }: Error): string {
  if (name === "TimeoutError") return `no answer within ${timeoutMs / 1_000} s`;
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  return code ?? message;
}
