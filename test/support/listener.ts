import assert from "node:assert/strict";
import { once } from "node:events";
import http2, { type ClientHttp2Session } from "node:http2";
import net, { type Socket } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import tls, { type ConnectionOptions, type TLSSocket } from "node:tls";
import {
  createListener,
  type Listener,
  type ListenerOptions,
} from "../../src/listener/listener.ts";
import type { RequestHandler } from "../../src/listener/options.ts";
import { testCertificate } from "./certificate.ts";

export type TestListener = { listener: Listener; port: number; urls: string[] };

/** Collects what is logged as an error, so that a test can tell that nothing was. */
export function silentLog(errors: object[] = []): ListenerOptions["log"] {
  return { debug: () => {}, info: () => {}, error: (details) => void errors.push(details) };
}

/** Answers `ok <HTTP version>` once the request's body has ended. */
export const answerOk: RequestHandler = (request, response) => {
  request.resume();
  request.once("end", () => response.end(`ok ${request.httpVersion}`));
};

/**
 * A listener on a free loopback port, closed after the test; a socket, session or request that is then left
 * fails the test.
 */
export async function startListener(
  t: TestContext,
  options: Partial<ListenerOptions> & { host?: string } = {},
): Promise<TestListener> {
  const { host = "127.0.0.1", ...rest } = options;
  const listener = createListener({ handler: answerOk, log: silentLog(), ...rest });
  const bound = await listener.listen({ host, port: 0 });
  t.after(async () => {
    await listener.close({ graceMs: 0 });
    assertNothingOpen(listener);
  });
  return { listener, ...bound };
}

export function assertNothingOpen(listener: Listener): void {
  const { refusedTotal: _, ...open } = listener.connections();
  for (const [name, count] of Object.entries(open)) assert.equal(count, 0, `${name} left`);
}

/** The longest pause between two looks, milliseconds: what waits must leave the processor to what works. */
const pauseMsMax = 16;

/** Waits for a state that no event announces; fails after 5 s, and says what did not come true. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: () => string = () => holds.toString(),
): Promise<void> {
  const end = performance.now() + 5_000;
  for (let pauseMs = 1; !(await holds()); pauseMs = Math.min(2 * pauseMs, pauseMsMax)) {
    assert.ok(performance.now() < end, `never came true: ${what()}`);
    await setTimeout(pauseMs);
  }
}

/** A TCP connection whose errors are expected. */
export async function connectTcp(
  t: TestContext,
  port: number,
  host = "127.0.0.1",
): Promise<Socket> {
  const socket = net.connect({ host, port });
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** A TLS connection that trusts the test certificate. */
export async function connectTls(
  t: TestContext,
  port: number,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const socket = tls.connect({ host: "127.0.0.1", port, ca: testCertificate.cert, ...options });
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  socket.on("error", () => {});
  return socket;
}

/** Everything that arrives until the other side closes or resets. */
export async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

/** Resolves with all that has arrived once it contains `part`. */
export function readUntil(socket: Socket, part: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const onData = (chunk: Buffer): void => {
      text += chunk.toString("latin1");
      if (!text.includes(part)) return;
      socket.off("data", onData);
      socket.off("close", onClose);
      resolve(text);
    };
    const onClose = (): void => reject(new Error(`closed after ${JSON.stringify(text)}`));
    socket.on("data", onData);
    socket.once("close", onClose);
  });
}

export function connectHttp2(t: TestContext, url: string): ClientHttp2Session {
  const session = http2.connect(url, { ca: testCertificate.cert });
  session.on("error", () => {});
  t.after(() => session.destroy());
  return session;
}

export type Http2Answer = { status: number; body: string };

/** One request over an open session; rejects with the stream's error. */
export async function requestHttp2(
  session: ClientHttp2Session,
  path: string,
  body?: string,
): Promise<Http2Answer> {
  const stream = session.request({ ":path": path, ":method": body === undefined ? "GET" : "POST" });
  stream.end(body);
  stream.setEncoding("utf8");
  let status = 0;
  let text = "";
  stream.on("response", (headers) => {
    status = headers[":status"] ?? 0;
  });
  for await (const part of stream) text += part;
  return { status, body: text };
}
