import { type DescField, type DescMessage, fromJson, type JsonValue } from "@bufbuild/protobuf";
import type { ConnectRouterOptions } from "@connectrpc/connect";
import type { FieldViolation } from "../chat/errors.ts";
import { toConnectError } from "./convert-errors.ts";
import { messageTooLarge, undecodable } from "./request-errors.ts";

/** Numbers, texts, lists and objects in one request; the largest legal one has fewer than 200. */
const jsonValuesMax = 1_000;

/** Text that violations quote, characters. */
const quoteCharactersMax = 200;

/**
 * Options with which Connect reads a request's JSON strictly: JSON is what people type, so a field or an enum
 * value that the contract does not have is refused with its path, instead of meaning nothing. Invalid UTF-8 is
 * refused too, where Connect's own decoder would put replacement characters in its place and the text would not
 * be what the client sent (DESIGN section 2, rule 14). Protobuf's binary form keeps unknown fields.
 *
 * `bytesMax` bounds what the request decodes to, as it does in the binary form: JSON may write a byte as six.
 *
 * Connect takes a decoder here; its type does not say so.
 */
export function strictJson(desc: DescMessage, bytesMax: number) {
  const textDecoder = { decode: (bytes: Uint8Array) => decodeStrictly(desc, bytes, bytesMax) };
  return { ignoreUnknownFields: false, textDecoder } as ConnectRouterOptions["jsonOptions"] &
    object;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The JSON's text; throws a ConnectError with every violation when Connect could not read it. */
function decodeStrictly(desc: DescMessage, bytes: Uint8Array, bytesMax: number): string {
  const text = attempt(() => utf8.decode(bytes), "it is not valid UTF-8");
  if (countValues(text) > jsonValuesMax) {
    throw toConnectError(undecodable(`its JSON has over ${jsonValuesMax} values`));
  }
  const json = attempt(() => JSON.parse(text) as JsonValue);
  if (sizeOf(json) > bytesMax) throw toConnectError(messageTooLarge(bytesMax));
  const violations = [...violationsOf(desc, json, "")];
  if (violations.length === 0) return text;
  const message = violations.map(({ field, description }) =>
    field === "" ? description : `${field} ${description}`,
  );
  throw toConnectError(undecodable(message.join("; "), violations));
}

function attempt<T>(decode: () => T, description?: string): T {
  try {
    return decode();
  } catch (error) {
    throw toConnectError(undecodable(description ?? `it is not JSON: ${textOf(error)}`));
  }
}

/** How many values there are at least: JSON.parse would make an object of every two bytes of `[[[[` or `{},{},`. */
function countValues(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length && count <= jsonValuesMax; index += 1) {
    switch (text.charCodeAt(index)) {
      case 0x22:
        index = endOfString(text, index);
        break;
      case 0x2c:
      case 0x5b:
      case 0x7b:
        count += 1;
        break;
    }
  }
  return count;
}

/** The index of the quote that ends a string; its text's end where none does. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

/** The bytes of all texts, and eight for each other value: not less than what the message needs in binary. */
function sizeOf(json: JsonValue): number {
  if (typeof json === "string") return Buffer.byteLength(json);
  if (typeof json !== "object" || json === null) return 8;
  const values = Array.isArray(json) ? json : Object.values(json);
  return values.reduce<number>((sum, value) => sum + sizeOf(value), 0);
}

/** What the contract does not have in a message's JSON, each with its path by the contract's names. */
function* violationsOf(
  desc: DescMessage,
  json: JsonValue,
  path: string,
): Generator<FieldViolation, void> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    const description = `must be a JSON object, as a ${desc.name} is`;
    yield { field: path.slice(0, -1), description };
    return;
  }
  for (const [key, value] of Object.entries(json)) {
    const field = desc.fields.find(({ name, jsonName }) => name === key || jsonName === key);
    if (field) yield* violationsIn(desc, field, value, path);
    else yield { field: path + quoted(key), description: unknownField(desc) };
  }
}

function* violationsIn(
  desc: DescMessage,
  field: DescField,
  value: JsonValue,
  path: string,
): Generator<FieldViolation, void> {
  const own = path + field.name;
  if (value === null) return;
  if (field.fieldKind === "message") {
    yield* violationsOf(field.message, value, `${own}.`);
  } else if (field.fieldKind === "list" && field.message && Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield* violationsOf(field.message, item, `${own}[${index}].`);
    }
  } else if (field.fieldKind === "enum" && typeof value === "string") {
    const names = field.enum.values.map(({ name }) => name);
    if (names.includes(value)) return;
    const description = `is not ${quoted(value)}, but one of ${names.join(", ")}`;
    yield { field: own, description };
  } else {
    const description = whyUnreadable(desc, field, value);
    if (description !== undefined) yield { field: own, description };
  }
}

/** Why a field's value, taken alone, is none of its type. */
function whyUnreadable(desc: DescMessage, field: DescField, value: JsonValue): string | undefined {
  try {
    fromJson(desc, { [field.name]: value });
    return undefined;
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    return `cannot have this value: ${quoted(textOf(cause))}`;
  }
}

function unknownField({ name, fields }: DescMessage): string {
  if (fields.length === 0) return `is no field of ${name}, which has none`;
  return `is no field of ${name}, which has ${fields.map((field) => field.name).join(", ")}`;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function quoted(text: string): string {
  return text.slice(0, quoteCharactersMax);
}
