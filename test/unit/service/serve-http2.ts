import { once } from "node:events";
import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

/** Serves the routes by cleartext HTTP/2 on a free loopback port until the test is over. */
export async function serveHttp2(
  t: TestContext,
  routes: (router: ConnectRouter) => void,
): Promise<{ authority: string; url: string }> {
  const server = createServer(connectNodeAdapter({ routes }));
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    for (const session of sessions) session.destroy();
    server.close();
    await once(server, "close");
  });
  const authority = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { authority, url: `http://${authority}` };
}
