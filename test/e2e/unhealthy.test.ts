import assert from "node:assert/strict";
import { test } from "node:test";
import { storageUnavailable } from "../../src/chat/errors.ts";
import { loadConfig } from "../../src/config.ts";
import { openStorage } from "../../src/storage.ts";
import { callJson, request, startApp } from "../support/app.ts";

test("Health says that it is not well while the storage can be read and takes no writes", async (t) => {
  const storage = await openStorage(loadConfig({ env: { DATABASE_URL: "memory:" } }));
  let isFull = false;
  const check = async () => {
    if (isFull) throw storageUnavailable(new Error("database or disk is full"));
    await storage.store.check();
  };
  const app = await startApp(t, {
    overrides: { storage: { ...storage, store: { ...storage.store, check } } },
    expectErrors: /STORAGE_UNAVAILABLE/,
  });
  const look = async () => {
    const { status, json } = await callJson(app, "Health", {});
    const { status: readiness } = await request(app, { path: "/readyz" });
    return { status, readiness, healthy: json.healthy === true, message: json.message };
  };
  const well = { status: 200, readiness: 200, healthy: true, message: "ok" };
  assert.deepEqual(await look(), well);
  isFull = true;
  const unwell = await look();
  assert.deepEqual([unwell.status, unwell.readiness, unwell.healthy], [200, 503, false]);
  assert.notEqual(unwell.message, "ok");
  isFull = false;
  assert.deepEqual(await look(), well);
});
