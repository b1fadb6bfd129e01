import {
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  trace,
} from "@opentelemetry/api";

/** `00-<trace id>-<parent id>-<flags>` of W3C Trace Context, level 1; a later version may go on. */
const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The longest header that is looked at, characters; the version that we write has 55. */
const lengthMax = 512;

/** The span that a `traceparent` names; undefined where it is none, as the specification asks (section 4.3). */
export function parseTraceParent(header: string | undefined): SpanContext | undefined {
  if (header === undefined || header.length > lengthMax) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", rest] = pattern.exec(header) ?? [];
  if (version === undefined || version === "ff") return undefined;
  if (version === "00" && rest !== undefined) return undefined;
  const traceFlags = Number.parseInt(flags, 16) & sampledFlag;
  const context: SpanContext = { traceId, spanId, traceFlags, isRemote: true };
  return isSpanContextValid(context) ? context : undefined;
}

/** The only flag of level 1. */
const sampledFlag = 1;

/** A context in which a new span is the child of the one that the header names, and a root where it names none. */
export function contextOf(traceParent: string | undefined): Context {
  const parent = parseTraceParent(traceParent);
  return parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
}

/** The header that names the span; undefined where nobody traces. */
export function traceParentOf(span: Span): string | undefined {
  const context = span.spanContext();
  if (!isSpanContextValid(context)) return undefined;
  const flags = (context.traceFlags & sampledFlag).toString(16).padStart(2, "0");
  return `00-${context.traceId}-${context.spanId}-${flags}`;
}

/** The trace that a header names, for log lines. */
export function traceIdOf(traceParent: string | undefined): string | undefined {
  return parseTraceParent(traceParent)?.traceId;
}
