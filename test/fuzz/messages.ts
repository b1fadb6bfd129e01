import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import fc from "fast-check";

/** What fields of a name hold besides anything at all: what makes a request mean something. */
export type Known = Readonly<Record<string, readonly string[]>>;

/** Messages of a type, every field of its descriptor filled or left out; any of them can be encoded. */
export function anyMessage(desc: DescMessage, known: Known = {}, depth = 3): fc.Arbitrary<Message> {
  return anyInit(desc, known, depth).map((init) => create(desc, init as Record<string, unknown>));
}

function anyInit(desc: DescMessage, known: Known, depth: number): fc.Arbitrary<object> {
  const own = desc.fields.filter(({ oneof }) => !oneof || oneof.fields.length === 1);
  const fields = own.map((field) => [field.localName, anyField(field, known, depth)] as const);
  const oneofs = desc.oneofs
    .filter(({ fields: members }) => members.length > 1)
    .map((oneof) => {
      const members = oneof.fields.map((field) =>
        anyField(field, known, depth).map((value) => ({ case: field.localName, value })),
      );
      return [oneof.localName, fc.oneof(...members)] as const;
    });
  return fc.record(Object.fromEntries([...fields, ...oneofs]), { requiredKeys: [] });
}

function anyField(field: DescField, known: Known, depth: number): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case "scalar":
      return anyScalar(field.scalar, known[field.name]);
    case "enum":
      return anyEnum(field.enum);
    case "message":
      return depth === 0 ? fc.constant(undefined) : anyInit(field.message, known, depth - 1);
    case "list":
      return fc.array(anyItem(field, known, depth), { maxLength: 20, size: "small" });
    case "map":
      return fc.dictionary(
        anyText(),
        field.mapKind === "scalar" ? anyScalar(field.scalar) : fc.constant({}),
        { maxKeys: 20, size: "small" },
      );
  }
}

function anyItem(
  field: Extract<DescField, { fieldKind: "list" }>,
  known: Known,
  depth: number,
): fc.Arbitrary<unknown> {
  if (field.listKind === "scalar") return anyScalar(field.scalar, known[field.name]);
  if (field.listKind === "enum") return anyEnum(field.enum);
  return depth === 0 ? fc.constant({}) : anyInit(field.message, known, depth - 1);
}

function anyEnum({ values }: DescEnum): fc.Arbitrary<number> {
  const known = fc.constantFrom(...values.map(({ number }) => number));
  return fc.oneof({ weight: 9, arbitrary: known }, { weight: 1, arbitrary: fc.integer() });
}

/** Any text that UTF-8 has, whatever people would make of it. */
export function anyText(): fc.Arbitrary<string> {
  return fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary", maxLength: 300 }));
}

function anyScalar(type: ScalarType, known?: readonly string[]): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return known
        ? fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, anyText())
        : anyText();
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 300 });
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.FLOAT:
      return fc.float();
    case ScalarType.DOUBLE:
      return fc.double();
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return small(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (n) => BigInt(n));
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return small(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (n) => BigInt(n));
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return small(fc.nat({ max: 2 ** 32 - 1 }), (n) => n);
    default:
      return small(fc.integer(), (n) => n);
  }
}

/** Small numbers as often as any. */
function small<T>(any: fc.Arbitrary<T>, of: (n: number) => T): fc.Arbitrary<T> {
  return fc.oneof(fc.nat({ max: 9 }).map(of), any);
}

/** What may become of bytes on their way: flipped, cut off, left out, repeated, put in between. */
export function mutated(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    kind: fc.constantFrom("flip", "cut", "leave out", "repeat", "insert"),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.nat({ max: 20 }),
    byte: fc.nat({ max: 255 }),
  });
  const changes = fc.array(change, { minLength: 1, maxLength: 4 });
  return fc.tuple(bytes, changes).map(([original, all]) => all.reduce(applyChange, original));
}

type Change = { kind: string; at: number; length: number; byte: number };

function applyChange(bytes: Uint8Array, { kind, at, length, byte }: Change): Uint8Array {
  const start = Math.floor(at * bytes.length);
  const [before, after] = [bytes.subarray(0, start), bytes.subarray(start)];
  switch (kind) {
    case "flip":
      return Buffer.concat([
        before,
        after.subarray(0, 1).map((old) => old ^ byte),
        after.subarray(1),
      ]);
    case "cut":
      return before;
    case "leave out":
      return Buffer.concat([before, after.subarray(length)]);
    case "repeat":
      return Buffer.concat([before, after.subarray(0, length), after]);
    default:
      return Buffer.concat([before, Buffer.alloc(length, byte), after]);
  }
}
