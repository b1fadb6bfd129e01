import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { BinaryReader, type WireType } from "@bufbuild/protobuf/wire";

/** A span as it came over the wire; ids are hexadecimal. */
export type ReceivedSpan = {
  traceId: string;
  spanId: string;
  /** Empty for a root. */
  parentSpanId: string;
  name: string;
  /** 2: SERVER, 3: CLIENT. */
  kind: number;
  attributes: Record<string, unknown>;
  events: string[];
  /** 0: unset, 2: error. */
  status: number;
};

export type FakeCollector = {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** All that has come, as text: for what must not be in it. */
  text(): string;
  /** Resolves with the response to the next batch, which is not answered by itself then. */
  hold(): Promise<ServerResponse>;
  /** Batches that were answered. */
  answered(): number;
  /** The HTTP status of the answers from now on; spans are taken with 200 alone. */
  answer(status: number): void;
};

/** A collector on loopback that takes traces by OTLP over HTTP; it is closed after the test. */
export async function useFakeCollector(t: {
  after(close: () => Promise<void>): void;
}): Promise<FakeCollector> {
  const spans: ReceivedSpan[] = [];
  const bodies: Buffer[] = [];
  let status = 200;
  let answered = 0;
  let held: ((response: ServerResponse) => void) | undefined;
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const sent = Buffer.concat(await request.toArray());
    const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent;
    const isTrace = request.url === "/v1/traces" && request.method === "POST";
    if (isTrace && status === 200) {
      bodies.push(body);
      spans.push(...readSpans(body));
    }
    if (held !== undefined) {
      held(response);
      held = undefined;
      return;
    }
    response.writeHead(isTrace ? status : 404, { "content-type": "application/x-protobuf" });
    response.end();
    answered += 1;
  };
  const server = createServer((request, response) => {
    take(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    text: () => Buffer.concat(bodies).toString("latin1"),
    hold: () =>
      new Promise((resolve) => {
        held = resolve;
      }),
    answered: () => answered,
    answer(next) {
      status = next;
    },
  };
}

/** Reads a field of a message; false where it is none that is wanted. */
type ReadField = (reader: BinaryReader, field: number) => boolean;

/** The fields of a message (opentelemetry/proto/trace/v1/trace.proto), the unknown ones skipped. */
function readMessage(bytes: Uint8Array, read: ReadField): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (!read(reader, field)) reader.skip(wireType as WireType, field);
  }
}

/** ExportTraceServiceRequest → ResourceSpans → ScopeSpans → Span. */
function readSpans(body: Uint8Array): ReceivedSpan[] {
  const spans: ReceivedSpan[] = [];
  const inside = (wanted: number, read: (bytes: Uint8Array) => void): ReadField => {
    return (reader, field) => {
      if (field !== wanted) return false;
      read(reader.bytes());
      return true;
    };
  };
  const scope = inside(2, (bytes) => spans.push(readSpan(bytes)));
  const resource = inside(2, (bytes) => readMessage(bytes, scope));
  readMessage(
    body,
    inside(1, (bytes) => readMessage(bytes, resource)),
  );
  return spans;
}

function readSpan(bytes: Uint8Array): ReceivedSpan {
  const attributes: Record<string, unknown> = {};
  const events: string[] = [];
  const found = readFields(bytes, {
    1: hex,
    2: hex,
    4: hex,
    5: textOf,
    6: numberOf,
    9: (reader) => addAttribute(attributes, reader.bytes()),
    11: (reader) => events.push(String(readFields(reader.bytes(), { 2: textOf })[2])),
    15: (reader) => readFields(reader.bytes(), { 3: numberOf })[3],
  });
  return {
    traceId: String(found[1]),
    spanId: String(found[2]),
    parentSpanId: typeof found[4] === "string" ? found[4] : "",
    name: String(found[5]),
    kind: Number(found[6]),
    attributes,
    events,
    status: Number(found[15] ?? 0),
  };
}

type Readers = Record<number, (reader: BinaryReader) => unknown>;

function readFields(bytes: Uint8Array, readers: Readers): Record<number, unknown> {
  const found: Record<number, unknown> = {};
  readMessage(bytes, (reader, field) => {
    const read = readers[field];
    if (read) found[field] = read(reader);
    return read !== undefined;
  });
  return found;
}

const textOf = (reader: BinaryReader) => reader.string();
const numberOf = (reader: BinaryReader) => reader.int32();
const hex = (reader: BinaryReader) => Buffer.from(reader.bytes()).toString("hex");

/** KeyValue: 1 the key, 2 an AnyValue. */
function addAttribute(attributes: Record<string, unknown>, bytes: Uint8Array): void {
  const { 1: key, 2: value } = readFields(bytes, {
    1: textOf,
    2: (reader) => anyValue(reader.bytes()),
  });
  attributes[String(key)] = value;
}

function anyValue(bytes: Uint8Array): unknown {
  const values = readFields(bytes, {
    1: textOf,
    2: (reader) => reader.bool(),
    3: (reader) => Number(reader.int64()),
    4: (reader) => reader.double(),
    5: (reader) => {
      const list: unknown[] = [];
      readMessage(
        reader.bytes(),
        (item, field) => field === 1 && list.push(anyValue(item.bytes())) > 0,
      );
      return list;
    },
  });
  return Object.values(values)[0];
}
