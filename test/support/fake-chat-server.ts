import assert from "node:assert/strict";
import { once } from "node:events";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import type { TestContext } from "node:test";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createFakeChat, type FakeChat } from "./fake-chat.ts";
import { createFakeReplica, type FakeReplica } from "./fake-replica.ts";

export type FakeChatServer = {
  readonly url: string;
  readonly chat: FakeChat;
  readonly replica: FakeReplica;
  /** A client or proxy that is to be closed before the server is. */
  with<T extends { close(): Promise<void> }>(client: T): T;
  /** Connections that were ever opened. */
  opened(): number;
  /** Cuts every connection, as a crash does. */
  cut(): void;
  /** HTTP/2: tells every connection that it takes no more calls, and lets open ones go on. */
  goAway(): void;
};

/** The fake on a real socket, over HTTP/1.1 or cleartext HTTP/2. Closed after the test; a connection left fails it. */
export async function startFakeChatServer(
  t: TestContext,
  httpVersion: "1.1" | "2",
  chat = createFakeChat(),
): Promise<FakeChatServer> {
  const replica = createFakeReplica(chat);
  const handler = connectNodeAdapter({ routes: replica.routes });
  const server = httpVersion === "2" ? http2.createServer(handler) : http.createServer(handler);
  const sockets = new Set<net.Socket>();
  const sessions = new Set<http2.Http2Session>();
  let opened = 0;
  server.on("connection", (socket: net.Socket) => {
    opened += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("session", (session: http2.Http2Session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.on("stream", (stream) => stream.on("error", () => {}));
    session.once("close", () => sessions.delete(session));
  });
  server.on("sessionError", () => {});
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const url = await listen(server);
  const clients: { close(): Promise<void> }[] = [];
  t.after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    // The client's sockets end a moment after its close; those of fetch are kept by nobody we can close.
    if (server instanceof http.Server) server.closeIdleConnections();
    await Promise.all([...sockets].map(closed));
    server.close();
    assert.equal(replica.open(), 0);
  });
  const goAway = () => {
    for (const session of sessions) session.goaway(http2.constants.NGHTTP2_NO_ERROR);
  };
  return {
    url,
    chat,
    replica,
    with(client) {
      clients.push(client);
      return client;
    },
    opened: () => opened,
    cut,
    goAway,
  };
}

/** A TCP proxy whose connections can be frozen: nothing passes any more, and nobody is told. */
export async function startFreezingProxy(
  targetUrl: string,
): Promise<{ url: string; freeze(): void; close(): Promise<void> }> {
  const sockets = new Set<net.Socket>();
  const port = Number(new URL(targetUrl).port);
  const server = net.createServer((client) => {
    const upstream = net.connect(port, "127.0.0.1");
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => sockets.delete(socket));
    }
    client.once("close", () => upstream.destroy());
    upstream.once("close", () => client.destroy());
  });
  const url = await listen(server);
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  const freeze = () => {
    for (const socket of sockets) socket.unpipe().pause();
  };
  return { url, freeze, close };
}

/** Not events.once, which a reset socket's error makes reject. */
function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

async function listen(server: net.Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}
