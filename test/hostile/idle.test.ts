import type { Socket } from "node:net";
import { test } from "node:test";
import { startApp } from "../support/app.ts";
import { attackBeside } from "../support/bystander.ts";
import { frame, frameTypes, http2Preface } from "../support/http2-frames.ts";
import { connectTcp, until } from "../support/listener.ts";

/** Both ends are in this process: two open files for each. */
const idle = 3_000;

/** So that none is cut while they are counted. */
const patient = { sniffTimeoutMs: 60_000, keepAliveTimeoutMs: 60_000 };

/** What each kind of idle client has sent: HTTP/2 with no stream, a request that was answered, nothing at all. */
const begun: readonly (string | Buffer)[] = [
  Buffer.concat([http2Preface, frame(frameTypes.settings)]),
  "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "",
];

test("thousands of idle connections that are let in cost the others nothing", async (t) => {
  const app = await startApp(t, { overrides: { listenerTimeouts: patient } });
  const { connections } = app.app;
  const sockets: Socket[] = [];
  for (let count = 0; count < idle; count += 1) {
    const socket = await connectTcp(t, app.port);
    socket.resume();
    const sent = begun[count % begun.length];
    if (sent) socket.write(sent);
    sockets.push(socket);
  }
  await until(() => connections().sockets >= idle);
  await attackBeside(t, app, async () => {
    // They hold what they have, and some come and go.
    for (const socket of sockets.splice(0, 20)) socket.destroy();
    for (let count = 0; count < 20; count += 1) {
      const socket = await connectTcp(t, app.port);
      socket.resume();
      sockets.push(socket);
    }
  });
  // None was cut.
  await until(() => connections().sockets === idle);
  for (const socket of sockets) socket.destroy();
  await until(() => connections().sockets === 0);
});
