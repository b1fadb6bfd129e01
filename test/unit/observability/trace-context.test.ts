import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { INVALID_SPAN_CONTEXT, type SpanContext, trace } from "@opentelemetry/api";
import fc from "fast-check";
import { parseTraceParent, traceParentOf } from "../../../src/observability/trace-context.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const digits = "0123456789abcdef".split("");
const header = `00-${traceId}-${spanId}-01`;

/** The header of a span with that context. */
function written(context: SpanContext): string | undefined {
  return traceParentOf(trace.wrapSpanContext(context));
}

describe("traceparent", () => {
  it("is read as W3C Trace Context says", () => {
    const context = { traceId, spanId, traceFlags: 1, isRemote: true };
    assert.deepEqual(parseTraceParent(header), context);
    assert.deepEqual(parseTraceParent(header.replace(/01$/, "00")), { ...context, traceFlags: 0 });
    assert.deepEqual(parseTraceParent(header.replace(/01$/, "ff")), context);
    assert.deepEqual(parseTraceParent(`01-${header.slice(3)}-more`), context);
  });

  it("that is none means that there is no caller's trace", () => {
    const wrong: (string | undefined)[] = [
      undefined,
      "",
      "text",
      `ff-${header.slice(3)}`,
      `${header}-more`,
      `${header}, ${header}`,
      header.toUpperCase(),
      header.replace(traceId, "0".repeat(32)),
      header.replace(spanId, "0".repeat(16)),
      header.slice(0, -1),
      `01-${header.slice(3)}-${"x".repeat(1_000)}`,
      `${header}\n`,
    ];
    for (const text of wrong) assert.equal(parseTraceParent(text), undefined, `${text}`);
  });

  it("is written as it was read, whatever the ids", () => {
    const hex = (length: number) =>
      fc
        .string({
          unit: fc.constantFrom(...digits),
          minLength: length,
          maxLength: length,
        })
        .filter((text) => !/^0+$/.test(text));
    fc.assert(
      fc.property(hex(32), hex(16), fc.constantFrom("00", "01"), (trace, span, flags) => {
        const text = `00-${trace}-${span}-${flags}`;
        const context = parseTraceParent(text);
        assert.ok(context);
        assert.equal(written(context), text);
      }),
    );
  });

  it("of a span that nobody traces is none", () => {
    assert.equal(written(INVALID_SPAN_CONTEXT), undefined);
  });
});
