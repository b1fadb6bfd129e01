import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { startApp, sumOf, type TestApp } from "../support/app.ts";
import { connectLane, plainLanes } from "../support/lanes.ts";
import { pythonMissing, startPythonClient } from "../support/python-client.ts";
import { openStreamChat } from "../support/stream-call.ts";
import { modelCalls, words } from "../support/turn-checks.ts";

const contract = fileURLToPath(new URL("../../proto/chat/chat.proto", import.meta.url));
const serviceConfig = readFileSync(
  new URL("../../docs/deploy/service-config.json", import.meta.url),
  "utf8",
);

// What proto-loader makes of a contract has no types of its own.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Untyped = any;

/** Two servers that know nothing of each other. */
async function startTwo(t: TestContext): Promise<{ servers: [TestApp, TestApp]; target: string }> {
  const env = { DRAIN_TIMEOUT_MS: "20000" };
  const servers: [TestApp, TestApp] = [await startApp(t, { env }), await startApp(t, { env })];
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  return { servers, target: `ipv4:${addresses.join()}` };
}

function connectGrpcJs(app: TestApp, target: string, options: grpc.ChannelOptions = {}): Untyped {
  const loaded = loadSync(contract, { keepCase: true, enums: String, defaults: true });
  const { chat } = grpc.loadPackageDefinition(loaded) as Untyped;
  const client = new chat.ChatService(target, grpc.credentials.createInsecure(), {
    "grpc.service_config": serviceConfig,
    ...options,
  });
  app.defer(() => client.close());
  return client;
}

function send(client: Untyped): Promise<string> {
  const request = { message: "Hi", model_id: "scripted:3x1", request_id: randomUUID() };
  return new Promise((resolve, reject) => {
    client.SendMessage(request, (error: Error | null, reply: Untyped) =>
      error ? reject(error) : resolve(reply.text),
    );
  });
}

async function stream(client: Untyped): Promise<string> {
  const request = { message: "Hi", model_id: "scripted:3x1", request_id: randomUUID() };
  let text = "";
  for await (const event of client.StreamChat(request)) text += event.chunk_text;
  return text;
}

/** Has the server drain for as long as the test: a turn runs that has no end. */
async function beginDrain(app: TestApp): Promise<void> {
  const [lane] = plainLanes;
  assert.ok(lane);
  const call = openStreamChat(connectLane(app, lane).chat, {
    message: "Hi",
    modelId: "scripted:3x1!hang@1",
  });
  await call.first(({ chunkNumber }) => chunkNumber === 1);
  const closing = app.close();
  app.defer(async () => {
    call.abort();
    await closing;
  });
  await call.update("draining");
}

/** Calls that the server has refused because it drains. */
async function refusals(app: TestApp): Promise<number> {
  return sumOf(await app.metrics(), "chatwire_rpc_ended_total", 'code="unavailable"');
}

async function turnsOf(app: TestApp): Promise<number> {
  return (await app.metrics()).get(modelCalls) ?? 0;
}

test("grpc-js: what a draining server refuses is retried on the other", async (t) => {
  const { servers, target } = await startTwo(t);
  const [draining, serving] = servers;
  const client = connectGrpcJs(draining, target);
  // Both are connected once both have answered.
  while (!((await turnsOf(draining)) > 0 && (await turnsOf(serving)) > 0)) await send(client);
  await beginDrain(draining);
  const before = await turnsOf(serving);
  for (let count = 0; count < 3; count += 1) {
    assert.equal(await send(client), words(3));
    assert.equal(await stream(client), words(3));
  }
  assert.equal((await turnsOf(serving)) - before, 6);
  assert.ok((await refusals(draining)) > 0, "nothing was retried");
});

test("grpc-js: calls go on when one of two servers is gone", async (t) => {
  const { servers, target } = await startTwo(t);
  const [gone, serving] = servers;
  const client = connectGrpcJs(serving, target);
  while (!((await turnsOf(gone)) > 0 && (await turnsOf(serving)) > 0)) await send(client);
  await gone.close();
  for (let count = 0; count < 3; count += 1) {
    assert.equal(await send(client), words(3));
    assert.equal(await stream(client), words(3));
  }
});

test("grpc-js: keepalive pings, however many, end no stream", async (t) => {
  const app = await startApp(t, { env: { HEARTBEAT_MS: "20" } });
  const client = connectGrpcJs(app, `127.0.0.1:${app.port}`, { "grpc.keepalive_time_ms": 1 });
  const call = client.WatchSession({ session_list: true });
  let heartbeats = 0;
  call.on("data", ({ type }: Untyped) => {
    if (type === "HEARTBEAT") heartbeats += 1;
    if (heartbeats === 20) call.cancel();
  });
  const [error] = await once(call, "error");
  assert.deepEqual([error.code, heartbeats], [grpc.status.CANCELLED, 20]);
});

test("Python: calls go on when one of two servers is gone", { skip: pythonMissing }, async (t) => {
  const { servers, target } = await startTwo(t);
  const [gone, serving] = servers;
  const client = await startPythonClient(t, serving, target);
  while (!((await turnsOf(gone)) > 0 && (await turnsOf(serving)) > 0)) await client.ask("Hi");
  await gone.close();
  for (const message of ["Hi", "stream", "Hi", "stream"]) {
    assert.deepEqual(await client.ask(message), { text: words(3) });
  }
});

test("Python: a server that says NOT_SERVING gets no more calls", {
  skip: pythonMissing,
}, async (t) => {
  const { servers, target } = await startTwo(t);
  const [draining, serving] = servers;
  const client = await startPythonClient(t, serving, target);
  while (!((await turnsOf(draining)) > 0 && (await turnsOf(serving)) > 0)) await client.ask("Hi");
  await beginDrain(draining);
  // In turn the two would get every other call each. What goes to the draining one at first is retried.
  for (let spared = 0, refused = await refusals(draining); spared < 6; ) {
    assert.deepEqual(await client.ask("Hi"), { text: words(3) });
    const now = await refusals(draining);
    spared = now === refused ? spared + 1 : 0;
    refused = now;
  }
});
