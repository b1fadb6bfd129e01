import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { request, startApp } from "../support/app.ts";
import { connectLane, plainLanes } from "../support/lanes.ts";
import { openStreamChat } from "../support/stream-call.ts";

const services = ["", "chat.ChatService"];

for (const lane of plainLanes.filter(({ json }) => !json)) {
  test(`a drain is told to health's watchers, in its list, and by /readyz in words (${lane.name})`, async (t) => {
    const app = await startApp(t, { env: { DRAIN_TIMEOUT_MS: "20000" } });
    const { chat, transport } = connectLane(app, lane);
    const health = createClient(Health, transport);
    const { statuses } = await health.list({});
    for (const service of services) {
      assert.equal(statuses[service]?.status, Status.SERVING, service);
    }
    const running = openStreamChat(chat, { message: "Hi", modelId: "scripted:1x0!hang@1" });
    const { sessionId } = await running.first(({ chunkNumber }) => chunkNumber === 1);
    const leaving = new AbortController();
    app.defer(() => leaving.abort());
    const watches = services.map((service) =>
      health.watch({ service }, { signal: leaving.signal })[Symbol.asyncIterator](),
    );
    for (const watch of watches) {
      assert.equal((await watch.next()).value?.status, Status.SERVING);
    }
    const closing = app.close();
    for (const watch of watches) {
      assert.equal((await watch.next()).value?.status, Status.NOT_SERVING);
    }
    const during = createClient(Health, connectLane(app, lane).transport);
    for (const [service, { status }] of Object.entries((await during.list({})).statuses)) {
      assert.equal(status, Status.NOT_SERVING, service);
    }
    const { status, body } = await request(app, { path: "/readyz" });
    assert.equal(status, 503);
    assert.match(body, /about to stop/);
    assert.equal((await request(app, { path: "/healthz" })).status, 200, "it lives");
    await connectLane(app, lane).chat.cancelTurn({ sessionId });
    await running.ended;
    leaving.abort();
    for (const watch of watches) await watch.next().catch(() => undefined);
    await closing;
  });
}
