import { type DescMethod, type Message, toBinary, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import {
  bodyOf,
  encodingHeaderOf,
  envelope,
  type RawWire,
  rawWires,
  timeoutHeaderOf,
} from "../support/raw-wires.ts";
import { anyMessage, anyText, type Known, mutated } from "./messages.ts";

/** One request as it goes over the wire. */
export type FuzzCall = {
  method: DescMethod;
  wire: RawWire;
  /** POST with a body, or Connect's GET with this query. */
  query: string | undefined;
  body: Uint8Array;
  headers: Record<string, string>;
};

/** How long a call may last that has nothing wrong with its deadline, milliseconds. */
export const deadlineMsMax = 300;

/** Requests to any RPC of any protocol: right, nearly right, and anything at all. */
export function anyCall(methods: readonly DescMethod[], known: Known): fc.Arbitrary<FuzzCall> {
  return fc.constantFrom(...methods).chain((method) => {
    const fitting = rawWires.filter((wire) => fits(wire, method));
    const wires = fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...fitting) },
      { weight: 1, arbitrary: fc.constantFrom(...rawWires) },
    );
    return wires.chain((wire) =>
      fc.record({
        method: fc.constant(method),
        wire: fc.constant(wire),
        query: anyQuery(method, wire, known),
        body: anyBody(method, wire, known),
        headers: anyHeaders(wire),
      }),
    );
  });
}

function fits({ protocol, http2 }: RawWire, { methodKind }: DescMethod): boolean {
  if (methodKind === "unary") return protocol !== "connect-stream";
  if (protocol === "connect") return false;
  return methodKind === "server_streaming" || http2;
}

function encode(method: DescMethod, { json }: RawWire, message: Message): Uint8Array {
  if (!json) return toBinary(method.input, message);
  return Buffer.from(JSON.stringify(toJson(method.input, message)));
}

function anyBody(method: DescMethod, wire: RawWire, known: Known): fc.Arbitrary<Uint8Array> {
  const valid = anyMessage(method.input, known).map((message) => encode(method, wire, message));
  const bytes = fc.uint8Array({ maxLength: 200 });
  const one = fc.oneof({ weight: 4, arbitrary: valid }, mutated(valid), bytes);
  if (wire.protocol === "connect") return one;
  const framed = one.map((message) => bodyOf(wire, message));
  const many = fc.array(framed, { maxLength: 4 }).map((all) => Buffer.concat(all));
  const lying = fc
    .tuple(one, fc.nat({ max: 255 }), fc.nat({ max: 2 ** 32 - 1 }))
    .map(([message, flags, length]) => envelope(message, flags, length));
  return fc.oneof(
    { weight: 6, arbitrary: method.methodKind === "bidi_streaming" ? many : framed },
    many,
    lying,
    mutated(many),
    bytes,
  );
}

/** Connect's GET, on the wire that has it. */
function anyQuery(
  method: DescMethod,
  wire: RawWire,
  known: Known,
): fc.Arbitrary<string | undefined> {
  if (wire.protocol !== "connect" || wire.http2) return fc.constant(undefined);
  const message = anyMessage(method.input, known).map((valid) =>
    Buffer.from(encode(method, wire, valid)).toString("base64url"),
  );
  const text = fc.oneof(anyText(), fc.base64String(), fc.constant("{}"));
  const query = fc.record(
    {
      connect: fc.oneof(fc.constant("v1"), text),
      encoding: fc.constantFrom("json", "proto", "xml"),
      message: fc.oneof(message, text),
      base64: fc.constantFrom("1", "0", ""),
      compression: fc.constantFrom("gzip", "identity", "br"),
    },
    { requiredKeys: ["encoding", "message"] },
  );
  const asQuery = query.map((fields) => new URLSearchParams(fields).toString());
  return fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, asQuery);
}

const headerCharacters = "abzAZ09 +/=,;:-_%.\"'(){}".split("");

/** Header values that HTTP itself lets through. */
const headerText = fc
  .string({ unit: fc.constantFrom(...headerCharacters) })
  .map((text) => text.trim());

function anyHeaders(wire: RawWire): fc.Arbitrary<Record<string, string>> {
  const deadline = fc
    .integer({ min: 1, max: deadlineMsMax })
    .map((ms) => (wire.protocol.startsWith("connect") ? `${ms}` : `${ms}m`));
  // Digits are a deadline that may be far away.
  const noDeadline = headerText.filter((text) => !/^\d/.test(text) && text !== "");
  const timeout = fc.oneof(
    { weight: 9, arbitrary: deadline },
    { weight: 1, arbitrary: noDeadline },
  );
  const others = fc.record(
    {
      "some-bin": fc.oneof(fc.base64String(), headerText),
      [encodingHeaderOf(wire)]: fc.constantFrom("gzip", "identity", "br", "zstd"),
      traceparent: headerText,
      "x-request-id": headerText,
      "connect-protocol-version": fc.constantFrom("1", "2"),
      "grpc-accept-encoding": headerText,
    },
    { requiredKeys: [] },
  );
  // Most calls have nothing about them but their deadline.
  const rare = fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, others);
  return fc.tuple(timeout, rare).map(([value, fields]) => {
    const all = { ...fields, [timeoutHeaderOf(wire)]: value };
    return all as Record<string, string>;
  });
}
