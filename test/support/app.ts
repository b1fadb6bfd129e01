import assert from "node:assert/strict";
import http, { type IncomingHttpHeaders } from "node:http";
import https from "node:https";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { FastifyBaseLogger } from "fastify";
import { type App, type AppOverrides, buildApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config.ts";
import { clientCertificate, testCertificate } from "./certificate.ts";
import { until } from "./listener.ts";

/** Settings by their names in the environment. */
export type Env = Readonly<Record<string, string>>;

export type TestAppOptions = {
  tls?: boolean;
  env?: Env;
  overrides?: AppOverrides;
  /** What `metrics` shows, on a server where not everybody may see them. */
  metricsKey?: string;
  /** Reasons of what may be logged as an error; anything else that is fails the test. */
  expectErrors?: RegExp;
};

/** The real server on a free port of 127.0.0.1 and ::1, in this process. */
export type TestApp = {
  readonly app: App;
  readonly port: number;
  readonly tls: boolean;
  readonly url: string;
  /** Runs after the test, before what is left is looked at; clients are closed here. */
  defer(close: () => unknown): void;
  /** The samples of /metrics by name and labels, `chatwire_turns_running` or `name{a="b"}`. */
  metrics(): Promise<ReadonlyMap<string, number>>;
  /** Closes it as a signal does, under its open clients; done after the test too. */
  close(): Promise<void>;
};

/** Nothing is kept, nothing is slow, and the scripted model is there. */
const testEnv: Env = {
  PORT: "0",
  DATABASE_URL: "memory:",
  SCRIPTED_MODEL: "1",
  // A busy machine is no reason to refuse what a test asks for.
  EVENT_LOOP_DELAY_SHED_MS: "0",
  ELIZA_WORDS_PER_SECOND: "0",
  DRAIN_TIMEOUT_MS: "0",
};

const tlsEnv: Env = {
  TLS_CERT_FILE: fileURLToPath(new URL("../fixtures/tls/cert.pem", import.meta.url)),
  TLS_KEY_FILE: fileURLToPath(new URL("../fixtures/tls/key.pem", import.meta.url)),
};

/**
 * Starts the server. After the test its clients are closed, and then a turn that still runs, a call that is
 * still open, a socket that stays, or an error in the log fails the test.
 */
export async function startApp(t: TestContext, options: TestAppOptions = {}): Promise<TestApp> {
  const { tls = false, expectErrors } = options;
  const errors: string[] = [];
  const env = { ...testEnv, ...(tls && tlsEnv), ...options.env };
  const app = await buildApp(loadConfig({ env }), {
    ...(!options.overrides?.logStream && {
      logger: errorLog((text) => {
        if (!expectErrors?.test(text)) errors.push(text);
      }),
    }),
    ...options.overrides,
  });
  const { port } = await app.listen();
  const deferred: (() => unknown)[] = [];
  let closed: Promise<void> | undefined;
  const testApp: TestApp = {
    app,
    port,
    tls,
    url: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
    defer: (step) => void deferred.push(step),
    metrics: () => readMetrics(testApp, options.metricsKey),
    close: () => (closed ??= app.close()),
  };
  t.after(async () => {
    try {
      await closeAll(deferred);
      if (!closed) await assertNothingRuns(testApp);
    } finally {
      // Whatever was left: an open server would keep the file's process for ever.
      await testApp.close();
    }
    const { refusedTotal: _, ...open } = app.connections();
    for (const [name, count] of Object.entries(open)) assert.equal(count, 0, `${name} left`);
    assert.deepEqual(errors, [], "logged as an error");
  });
  return testApp;
}

/** Closes the last first, and all of them; then throws what the first that failed has thrown. */
async function closeAll(steps: (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps.splice(0).reverse()) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

async function assertNothingRuns(app: TestApp): Promise<void> {
  await until(() => app.app.engine.runningTurns() === 0);
  await untilMetrics(app, (metrics) => openCalls(metrics) === 0);
}

/** RPCs that are open now. */
export function openCalls(metrics: ReadonlyMap<string, number>): number {
  return sumOf(metrics, "chatwire_rpc_started_total") - sumOf(metrics, "chatwire_rpc_ended_total");
}

/** The sum of a metric over the labels that contain `label`. */
export function sumOf(metrics: ReadonlyMap<string, number>, name: string, label = ""): number {
  let sum = 0;
  for (const [key, value] of metrics) {
    if ((key === name || key.startsWith(`${name}{`)) && key.includes(label)) sum += value;
  }
  return sum;
}

/** Waits for a state of /metrics, which nothing announces; fails after 5 s. */
export async function untilMetrics(
  app: Pick<TestApp, "metrics">,
  holds: (metrics: ReadonlyMap<string, number>) => boolean,
): Promise<void> {
  let metrics: ReadonlyMap<string, number> = new Map();
  const look = async () => {
    metrics = await app.metrics();
    return holds(metrics);
  };
  await until(look, () => {
    const seen = [...metrics].filter(([key]) => key.startsWith("chatwire_"));
    return `${holds.toString()}\n${seen.join("\n")}`;
  });
}

async function readMetrics(app: TestApp, key: string | undefined): Promise<Map<string, number>> {
  const headers: Record<string, string> = key ? { authorization: `Bearer ${key}` } : {};
  const { status, body } = await request(app, { path: "/metrics", headers });
  assert.equal(status, 200, body);
  return parseMetrics(body);
}

function parseMetrics(text: string): Map<string, number> {
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    samples.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

export type HttpRequest = {
  path: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
};

export type HttpAnswer = { status: number; headers: IncomingHttpHeaders; body: string };

/** One HTTP/1.1 request on a connection of its own. */
export function request(
  { port, tls }: Pick<TestApp, "port" | "tls">,
  { path, method, headers = {}, body }: HttpRequest,
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const { request: send } = tls ? https : http;
  // The certificate's name, whatever the Host header says.
  const servername = "localhost";
  const target = { host: "127.0.0.1", port, servername, ca: testCertificate.cert };
  // Shown to a server that asks for one, and to no other.
  const options = { ...target, ...(tls && clientCertificate("billing")), path, headers };
  const verb = method ?? (body === undefined ? "GET" : "POST");
  const outgoing = send({ ...options, method: verb, agent: false }, (response) => {
    const parts: Buffer[] = [];
    response.on("data", (part: Buffer) => parts.push(part));
    response.on("error", reject);
    response.on("end", () => {
      const { statusCode: status = 0, headers: received } = response;
      resolve({ status, headers: received, body: Buffer.concat(parts).toString("latin1") });
    });
  });
  outgoing.on("error", reject);
  outgoing.end(body);
  return promise;
}

/** One unary call as curl makes it: JSON there and back. */
export async function callJson(
  app: Pick<TestApp, "port" | "tls">,
  rpc: string,
  message: unknown,
  headers: Record<string, string> = {},
): Promise<HttpAnswer & { json: Record<string, unknown> }> {
  const answer = await request(app, {
    path: `/chat.ChatService/${rpc}`,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(message),
  });
  return { ...answer, json: JSON.parse(Buffer.from(answer.body, "latin1").toString("utf8")) };
}

/** A logger that hands on errors alone. */
function errorLog(report: (text: string) => void): FastifyBaseLogger {
  const ignore = () => undefined;
  const error = (...told: unknown[]) => report(told.map(tell).join(" "));
  const quiet = { level: "error", debug: ignore, trace: ignore, info: ignore, warn: ignore };
  const log = { ...quiet, silent: ignore, error, fatal: error, child: () => log };
  return log as unknown as FastifyBaseLogger;
}

function tell(what: unknown): string {
  if (typeof what !== "object" || what === null) return String(what);
  const { err, ...rest } = what as { err?: unknown };
  const error = err instanceof Error ? (err.stack ?? err.message) : "";
  return `${JSON.stringify(rest)} ${error}`;
}
