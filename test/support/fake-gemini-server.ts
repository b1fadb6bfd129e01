import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { performance } from "node:perf_hooks";
import { setImmediate as nextLoop } from "node:timers/promises";
import { refuse } from "./gemini-refusals.ts";

/** What came over the wire, and what became of it. */
export type GeminiRequest = {
  method: string;
  path: string;
  apiVersion: string;
  model: string;
  rpc: "streamGenerateContent" | "getModel" | "listModels" | "unknown";
  headers: IncomingMessage["headers"];
  /** The body as JSON; undefined on GET. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they like
  body: any;
  /** When it had arrived, milliseconds of performance.now(). */
  receivedAtMs: number;
  /** When the client left before the response had ended; undefined while it has not. */
  abortedAtMs: number | undefined;
  /** Resolves when the response is over: `aborted` where the client left first. */
  outcome: Promise<"ended" | "aborted">;
};

/** How a scenario answers. Everything that it sends is on the wire when the promise resolves. */
export type GeminiExchange = {
  request: GeminiRequest;
  /** Aborts when the client leaves. */
  signal: AbortSignal;
  /** The status line and headers of a stream; the first `send` or `raw` implies it. */
  open: () => Promise<void>;
  /** One chunk as Gemini frames it: `data: {json}` and two CRLF. */
  send: (chunk: unknown) => Promise<void>;
  /** Bytes as they are. With `segmentBytes` they leave in separate writes of so many bytes. */
  raw: (bytes: string | Uint8Array, segmentBytes?: number) => Promise<void>;
  /** An answer that is no stream: Google's error JSON with that HTTP status, or any JSON. */
  json: (status: number, body: unknown) => Promise<void>;
  end: () => Promise<void>;
  /** A TCP reset in place of what is left. */
  reset: () => void;
};

export type GeminiScenario = (exchange: GeminiExchange) => Promise<void> | void;

export type FakeGeminiServer = {
  /** For GEMINI_BASE_URL. */
  url: string;
  apiKey: string;
  /** Every request, refused ones too, oldest first. */
  requests: GeminiRequest[];
  /** The scenarios of the next generate calls, in order; then comes the usual one. */
  enqueue(...scenarios: GeminiScenario[]): void;
  /** What answers when nothing is enqueued; at first `saysBack()`. */
  usually(scenario: GeminiScenario): void;
  /** Resolves with the request of that index (from 0) when it has arrived. */
  arrived(index: number): Promise<GeminiRequest>;
  /** Cuts what is open; repeating it is safe. */
  close(): Promise<void>;
};

export type FakeGeminiOptions = {
  apiKey?: string;
  /** The ids it knows; by default any. */
  models?: readonly string[];
  port?: number;
};

/** Ends the test's server with the test; see `startFakeGeminiServer`. */
export async function useFakeGeminiServer(
  t: { after(fn: () => Promise<void>): void },
  options: FakeGeminiOptions = {},
): Promise<FakeGeminiServer> {
  const server = await startFakeGeminiServer(options);
  t.after(() => server.close());
  return server;
}

/**
 * A server on loopback that speaks the Gemini API's wire format: SSE without event names or an end mark,
 * the key in `x-goog-api-key` (or on Vertex AI's paths a bearer token), versions v1, v1beta and v1beta1. It
 * refuses what Gemini refuses: a wrong key, an unknown model, unknown fields, roles other than user and
 * model, contents without parts.
 */
export async function startFakeGeminiServer(
  options: FakeGeminiOptions = {},
): Promise<FakeGeminiServer> {
  const apiKey = options.apiKey ?? "test-key-0123456789";
  const requests: GeminiRequest[] = [];
  const queue: GeminiScenario[] = [];
  const waiters = new Set<() => void>();
  let usual: GeminiScenario = saysBack();

  const server = createServer((incoming, response) => {
    serve(incoming, response).catch((error: unknown) => response.destroy(error as Error));
  });
  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const request = await receive(incoming, response);
    requests.push(request);
    for (const wake of waiters) wake();
    const exchange = createExchange(request, response);
    const refusal = refuse(request, apiKey, options.models);
    if (refusal) return exchange.json(refusal.error.code, refusal);
    if (request.rpc !== "streamGenerateContent")
      return exchange.json(200, describe(request, options));
    await (queue.shift() ?? usual)(exchange);
  };

  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    apiKey,
    requests,
    enqueue: (...scenarios) => void queue.push(...scenarios),
    usually: (scenario) => {
      usual = scenario;
    },
    async arrived(index) {
      for (;;) {
        const request = requests[index];
        if (request) return request;
        await new Promise<void>((resolve) => {
          const wake = () => {
            waiters.delete(wake);
            resolve();
          };
          waiters.add(wake);
        });
      }
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const streamPath =
  /^\/(v1|v1beta|v1beta1)\/(?:projects\/[^/]+\/locations\/[^/]+\/publishers\/google\/)?models\/([^/:]+):streamGenerateContent$/;
const modelPath = /^\/(v1|v1beta|v1beta1)\/(?:publishers\/google\/)?models\/([^/:]+)$/;
const listPath = /^\/(v1|v1beta)\/models$/;

async function receive(
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<GeminiRequest> {
  const { promise: outcome, resolve } = Promise.withResolvers<"ended" | "aborted">();
  response.once("close", () => {
    if (!response.writableFinished) request.abortedAtMs = performance.now();
    resolve(response.writableFinished ? "ended" : "aborted");
  });
  const url = new URL(incoming.url ?? "/", "http://fake");
  const stream = streamPath.exec(url.pathname);
  const model = modelPath.exec(url.pathname);
  const list = listPath.exec(url.pathname);
  const isStream = stream && incoming.method === "POST" && url.searchParams.get("alt") === "sse";
  const request: GeminiRequest = {
    method: incoming.method ?? "",
    path: incoming.url ?? "",
    apiVersion: (stream ?? model ?? list)?.[1] ?? "",
    model: decodeURIComponent((stream ?? model)?.[2] ?? ""),
    rpc: isStream ? "streamGenerateContent" : model ? "getModel" : list ? "listModels" : "unknown",
    headers: incoming.headers,
    body: undefined,
    receivedAtMs: 0,
    abortedAtMs: undefined,
    outcome,
  };
  const body = Buffer.concat(await incoming.toArray()).toString("utf8");
  if (body !== "") request.body = JSON.parse(body);
  request.receivedAtMs = performance.now();
  return request;
}

function createExchange(request: GeminiRequest, response: ServerResponse): GeminiExchange {
  const left = new AbortController();
  response.once("close", () => left.abort());
  const write = (bytes: string | Uint8Array) =>
    new Promise<void>((resolve) => {
      if (response.destroyed) return resolve();
      response.write(bytes, () => resolve());
    });
  const open = async () => {
    if (response.headersSent || response.destroyed) return;
    response.socket?.setNoDelay(true);
    response.writeHead(200, {
      "content-type": "text/event-stream",
      server: "scaffolding on HTTPServer2",
    });
    response.flushHeaders();
  };
  const raw = async (bytes: string | Uint8Array, segmentBytes = Number.POSITIVE_INFINITY) => {
    await open();
    const buffer = Buffer.from(bytes as Uint8Array);
    if (buffer.length <= segmentBytes) return write(buffer);
    for (let start = 0; start < buffer.length; start += segmentBytes) {
      await write(buffer.subarray(start, start + segmentBytes));
      await nextLoop();
    }
  };
  return {
    request,
    signal: left.signal,
    open,
    raw,
    send: (chunk) => raw(`data: ${JSON.stringify(chunk)}\r\n\r\n`),
    async json(status, body) {
      response.writeHead(status, { "content-type": "application/json; charset=UTF-8" });
      response.end(JSON.stringify(body));
    },
    async end() {
      await open();
      response.end();
    },
    reset: () => response.socket?.resetAndDestroy(),
  };
}

function describe({ rpc, model }: GeminiRequest, { models = [] }: FakeGeminiOptions) {
  const about = (id: string) => ({
    name: `models/${id}`,
    displayName: id,
    inputTokenLimit: 1_048_576,
    outputTokenLimit: 65_536,
    supportedGenerationMethods: ["generateContent", "countTokens"],
  });
  return rpc === "getModel" ? about(model) : { models: models.map(about) };
}

/** The usual scenario: says the last user text back, a word a chunk, usage on every chunk. */
function saysBack(): GeminiScenario {
  return async ({ request, send, end }) => {
    const text: string = request.body.contents
      .at(-1)
      .parts.map((part: { text?: string }) => part.text ?? "")
      .join("");
    const words = text.match(/\S+\s*|\s+/g) ?? [];
    for (const [index, word] of words.entries()) {
      const last = index === words.length - 1;
      await send(
        textChunk(word, { finishReason: last ? "STOP" : undefined, outputTokens: index + 1 }),
      );
    }
    await end();
  };
}

export type ChunkOptions = {
  finishReason?: string | undefined;
  outputTokens?: number;
  thought?: boolean;
  thoughtSignature?: string;
  /** Base64, beside the finish reason CONTINUATION: the SDK would go on with it by itself. */
  continuationToken?: string;
};

/** One chunk as Gemini words it. */
export function textChunk(text: string, options: ChunkOptions = {}) {
  const { finishReason, outputTokens = 1, thought, thoughtSignature, continuationToken } = options;
  const part = { text, ...(thought && { thought }), ...(thoughtSignature && { thoughtSignature }) };
  return {
    candidates: [
      {
        content: { parts: [part], role: "model" },
        index: 0,
        ...(finishReason && { finishReason }),
        ...(continuationToken && { continuationToken }),
      },
    ],
    usageMetadata: {
      promptTokenCount: 7,
      candidatesTokenCount: outputTokens,
      totalTokenCount: 7 + outputTokens,
      promptTokensDetails: [{ modality: "TEXT", tokenCount: 7 }],
    },
    modelVersion: "gemini-3.8-flash",
    responseId: "mAitaLmkHPPlz7IPvtfUqQ4",
  };
}
