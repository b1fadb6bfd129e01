import type { LayoutEntry, TurnLayout } from "../chat/turn.ts";

/*
 * A turn's layout in bytes, three or four for a chunk. Each entry begins with a number: its lowest four
 * bits say what it is, the others give a chunk's length, or how many bytes of JSON an other event's body
 * takes. Then come, as differences to the entry before: the sequence, where it is not the next one; the
 * elapsed milliseconds; and by how much more the clock has moved than these. Times that are no whole
 * milliseconds are two doubles instead. Numbers are LEB128, signed ones zigzag.
 */

const kinds = ["text", "thought", "other", "question"] as const;
const gapFlag = 4;
const exactFlag = 8;
/** What is left of the first number when the flags are gone. */
const flagValues = 16;

/** Differences past this do not survive the zigzag. */
const differenceMax = 2 ** 51;

/** Where an entry's differences count from. */
type Place = { sequence: number; at: number; elapsedMs: number };

const origin: Place = { sequence: 0, at: 0, elapsedMs: 0 };

export function encodeLayout(layout: TurnLayout): Uint8Array {
  const writer = createWriter();
  let before = origin;
  for (const entry of layout) before = encodeEntry(writer, entry, before);
  return writer.finish();
}

export function decodeLayout(bytes: Uint8Array): LayoutEntry[] {
  const reader = createReader(bytes);
  const entries: LayoutEntry[] = [];
  let before = origin;
  while (!reader.atEnd()) {
    const head = reader.readNumber();
    const kind = kinds[head % gapFlag] ?? "text";
    const payload = Math.floor(head / flagValues);
    const sequence = before.sequence + 1 + (head & gapFlag ? reader.readSigned() : 0);
    const isExact = (head & exactFlag) !== 0;
    const times = isExact ? readTimes(reader) : readDifferences(reader, before);
    const place = { sequence, ...times };
    entries.push({ ...place, ...decodeBody(reader, kind, payload) } as LayoutEntry);
    before = isExact ? { ...before, sequence } : place;
  }
  return entries;
}

type Writer = ReturnType<typeof createWriter>;
type Reader = ReturnType<typeof createReader>;

function encodeEntry(writer: Writer, entry: LayoutEntry, before: Place): Place {
  const { sequence, at, elapsedMs } = entry;
  const gap = sequence - before.sequence - 1;
  const isExact = !isWhole(at, before.at) || !isWhole(elapsedMs, before.elapsedMs);
  const body = entry.type === "chunk" ? undefined : Buffer.from(JSON.stringify(entry.body));
  const payload = entry.type === "chunk" ? entry.length : (body?.length ?? 0);
  const flags = kindOf(entry) + (gap === 0 ? 0 : gapFlag) + (isExact ? exactFlag : 0);
  writer.writeNumber(payload * flagValues + flags);
  if (gap !== 0) writer.writeSigned(gap);
  if (isExact) {
    writer.writeDouble(at);
    writer.writeDouble(elapsedMs);
  } else {
    const elapsed = elapsedMs - before.elapsedMs;
    writer.writeSigned(elapsed);
    writer.writeSigned(at - before.at - elapsed);
  }
  if (body !== undefined) writer.writeBytes(body);
  return isExact ? { ...before, sequence } : { sequence, at, elapsedMs };
}

function kindOf(entry: LayoutEntry): number {
  if (entry.type === "chunk") return entry.thought ? 1 : 0;
  return entry.type === "question" ? 3 : 2;
}

function isWhole(value: number, before: number): boolean {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) return false;
  return Math.abs(value - before) < differenceMax / 2;
}

function decodeBody(reader: Reader, kind: (typeof kinds)[number], payload: number) {
  if (kind === "text") return { type: "chunk", length: payload };
  if (kind === "thought") return { type: "chunk", length: payload, thought: true };
  return { type: kind, body: JSON.parse(reader.readText(payload)) };
}

function readTimes(reader: Reader) {
  return { at: reader.readDouble(), elapsedMs: reader.readDouble() };
}

function readDifferences(reader: Reader, before: Place) {
  const elapsed = reader.readSigned();
  const at = before.at + elapsed + reader.readSigned();
  return { at, elapsedMs: before.elapsedMs + elapsed };
}

function createWriter() {
  let bytes = Buffer.alloc(256);
  let length = 0;

  function room(count: number): void {
    if (length + count <= bytes.length) return;
    const larger = Buffer.alloc(Math.max(bytes.length * 2, length + count));
    bytes.copy(larger, 0, 0, length);
    bytes = larger;
  }

  function writeNumber(value: number): void {
    room(8);
    let rest = value;
    while (rest >= 128) {
      bytes[length] = (rest % 128) + 128;
      length += 1;
      rest = Math.floor(rest / 128);
    }
    bytes[length] = rest;
    length += 1;
  }

  return {
    writeNumber,
    writeSigned: (value: number) => writeNumber(value < 0 ? -2 * value - 1 : 2 * value),
    writeDouble(value: number) {
      room(8);
      length = bytes.writeDoubleLE(value, length);
    },
    writeBytes(values: Buffer) {
      room(values.length);
      length += values.copy(bytes, length);
    },
    finish: () => new Uint8Array(bytes.subarray(0, length)),
  };
}

function createReader(source: Uint8Array) {
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  let position = 0;

  function readNumber(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes.readUInt8(position);
      position += 1;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  }

  return {
    atEnd: () => position >= bytes.length,
    readNumber,
    readSigned() {
      const value = readNumber();
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    },
    readDouble() {
      position += 8;
      return bytes.readDoubleLE(position - 8);
    },
    readText(length: number) {
      position += length;
      return bytes.toString("utf8", position - length, position);
    },
  };
}
