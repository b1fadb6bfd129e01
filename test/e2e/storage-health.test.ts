import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { loadConfig } from "../../src/config.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { openStorage } from "../../src/storage.ts";
import { request, startApp } from "../support/app.ts";

test("health's watchers and /readyz are told that the storage fails, and that it is back", async (t) => {
  const storage = await openStorage(loadConfig({ env: { DATABASE_URL: "memory:" } }));
  let failure: Error | undefined;
  const check = async () => {
    if (failure) throw failure;
    await storage.store.check();
  };
  const failing = { ...storage, store: { ...storage.store, check } };
  const app = await startApp(t, {
    overrides: { storage: failing, storageCheckMs: 5 },
    expectErrors: /./,
  });
  const health = createClient(Health, createGrpcTransport({ baseUrl: app.url }));
  const watching = new AbortController();
  app.defer(() => watching.abort());
  const statuses = health
    .watch({ service: "chat.ChatService" }, { signal: watching.signal })
    [Symbol.asyncIterator]();
  const next = async () => (await statuses.next()).value?.status;
  assert.equal(await next(), Status.SERVING);
  failure = new Error("the disk is full");
  assert.equal(await next(), Status.NOT_SERVING);
  const { status, body } = await request(app, { path: "/readyz" });
  assert.equal(status, 503);
  assert.match(body, /the disk is full/);
  failure = undefined;
  assert.equal(await next(), Status.SERVING);
  assert.equal((await request(app, { path: "/readyz" })).status, 200);
});
