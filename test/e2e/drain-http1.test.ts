import assert from "node:assert/strict";
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { test } from "node:test";
import { Agent as UndiciAgent } from "undici";
import { startApp, type TestApp } from "../support/app.ts";
import { testCertificate } from "../support/certificate.ts";
import { connectLane, type Lane, lanes } from "../support/lanes.ts";
import { openStreamChat } from "../support/stream-call.ts";

const [grpc] = lanes as [Lane];

/** The answer to one call, or the error of its connection. */
type Outcome = {
  status?: number;
  /** The connection had carried a call before. */
  kept: boolean;
  error?: string;
};

type Caller = {
  name: string;
  call(rpc: string, message: object): Promise<Outcome>;
};

/** Calls that a test sees answered, before the drain and in it. */
const answersMin = 30;

const headers = { "content-type": "application/json" };

function pathOf(rpc: string): string {
  return `/chat.ChatService/${rpc}`;
}

/** As most programs on Node call: one agent that keeps its connections. */
function nodeCaller(app: TestApp): Caller {
  const { Agent, request } = app.tls ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  app.defer(() => agent.destroy());
  const target = { host: "127.0.0.1", port: app.port, servername: "localhost" };
  return {
    name: "node:http",
    async call(rpc, message) {
      const options = { ...target, ca: testCertificate.cert, agent, method: "POST", headers };
      const outgoing = request({ ...options, path: pathOf(rpc) });
      outgoing.end(JSON.stringify(message));
      try {
        const [response] = (await once(outgoing, "response")) as [IncomingMessage];
        for await (const _ of response);
        return { status: response.statusCode ?? 0, kept: outgoing.reusedSocket };
      } catch (error) {
        return { error: codeOf(error), kept: outgoing.reusedSocket };
      }
    },
  };
}

function undiciCaller(app: TestApp): Caller {
  const agent = new UndiciAgent({
    connections: 4,
    allowH2: false,
    connect: { ca: testCertificate.cert, servername: "localhost" },
  });
  app.defer(() => agent.destroy());
  return {
    name: "undici",
    async call(rpc, message) {
      const body = JSON.stringify(message);
      const request = { origin: app.url, path: pathOf(rpc), headers, body };
      try {
        const response = await agent.request({ ...request, method: "POST" });
        await response.body.dump();
        return { status: response.statusCode, kept: false };
      } catch (error) {
        return { error: codeOf(error), kept: false };
      }
    },
  };
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

for (const tls of [false, true]) {
  for (const makeCaller of [nodeCaller, undiciCaller]) {
    const where = `${makeCaller.name}, ${tls ? "TLS" : "plain"}`;

    test(`no call on a kept connection is lost, all through a drain (${where})`, async (t) => {
      const app = await startApp(t, { tls, env: { DRAIN_TIMEOUT_MS: "20000" } });
      const { chat } = connectLane(app, grpc);
      const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@3" });
      const running = openStreamChat(chat, { sessionId, message: "one" });
      await running.first(({ chunkNumber }) => chunkNumber === 3);
      const { engine } = app.app;
      const { call } = makeCaller(app);
      const statuses = new Set<number>();
      const before = Promise.withResolvers<void>();
      const within = Promise.withResolvers<void>();
      const answers = { before: 0, within: 0 };

      const callThroughout = async (rpc: string, message: object) => {
        for (;;) {
          const draining = engine.isDraining();
          const { status, kept, error } = await call(rpc, message);
          if (error === "ECONNREFUSED") return;
          // Nobody can tell a client whose new connection waits to be accepted that the server is gone.
          const mayCut = !kept && draining && engine.runningTurns() === 0;
          assert.ok(status ?? mayCut, `${rpc}: ${error} on a ${kept ? "kept" : "new"} connection`);
          if (status !== undefined) statuses.add(status);
          answers[draining ? "within" : "before"] += 1;
          if (answers.before === answersMin) before.resolve();
          if (answers.within === answersMin) within.resolve();
        }
      };
      const loops = [
        callThroughout("GetSessionInfo", { sessionId }),
        callThroughout("SendMessage", { message: "Hi", modelId: "scripted:2x1" }),
        callThroughout("GetSessionInfo", { sessionId }),
      ];
      // Fails at once when a loop does.
      const looping = Promise.all(loops);
      await Promise.race([before.promise, looping]);
      const closing = app.close();
      await Promise.race([within.promise, looping]);
      // What runs has ended, and so the server stops, in the middle of it all.
      await connectLane(app, grpc).chat.cancelTurn({ sessionId });
      await looping;
      assert.equal(await running.ended, undefined);
      await closing;
      assert.deepEqual(statuses, new Set([200, 503]), "served, or told to try again");
    });
  }
}

test("an idle connection serves a call at any time of the drain, and is told to close", async (t) => {
  const app = await startApp(t, { env: { DRAIN_TIMEOUT_MS: "20000" } });
  const { chat } = connectLane(app, grpc);
  const { sessionId } = await chat.createSession({ modelId: "scripted:60x5" });
  const running = openStreamChat(chat, { sessionId, message: "one" });
  await running.first(({ chunkNumber }) => chunkNumber === 1);
  const callers = Array.from({ length: 4 }, () => nodeCaller(app));
  for (const { call } of callers) await call("GetSessionInfo", { sessionId });
  const closing = app.close();
  for (const [index, { call }] of callers.entries()) {
    await running.first(({ chunkNumber }) => chunkNumber === 10 * (index + 1));
    assert.deepEqual(await call("GetSessionInfo", { sessionId }), { status: 200, kept: true });
  }
  assert.equal(await running.ended, undefined);
  await closing;
});
