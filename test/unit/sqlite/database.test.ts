import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ChatError } from "../../../src/chat/errors.ts";
import { openProbe, temporaryFolder } from "./probe.ts";

const storageUnavailable = { kind: "unavailable", reason: "STORAGE_UNAVAILABLE", retryable: true };

test("what is called in one tick runs in order, and keeps its own outcome", async (t) => {
  const { probe } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  const outcomes = await Promise.allSettled([
    probe("write", { text: "one" }),
    probe("writeAndThrow", { text: "two" }),
    probe("write", { text: "one" }),
    probe("write", { text: "three" }),
    probe("texts", undefined),
  ]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "rejected", "rejected", "fulfilled", "fulfilled"],
  );
  assert.deepEqual(await probe("texts", undefined), ["one", "three"]);
});

test("a ChatError crosses the thread whole", async (t) => {
  const { probe } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  await assert.rejects(probe("writeAndThrow", { text: "x" }), (error) => {
    assert.ok(error instanceof ChatError);
    const { kind, reason, message, retryable, retryAfterMs, fields, metadata } = error;
    assert.deepEqual(
      { kind, reason, message, retryable, retryAfterMs, fields, metadata },
      {
        kind: "resource_exhausted",
        reason: "TOO_MANY_TURNS",
        message: "too many",
        retryable: true,
        retryAfterMs: 7,
        fields: [{ field: "text", description: "no" }],
        metadata: { limit: "1" },
      },
    );
    assert.match(String(error.cause), /why/);
    return true;
  });
});

test("an operation that breaks a constraint is no fault of the storage", async (t) => {
  const { probe } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  await probe("write", { text: "one" });
  await assert.rejects(probe("write", { text: "one" }), (error) => !(error instanceof ChatError));
});

test("only a batch with a durable operation is synced, and only with durability full", async (t) => {
  const folder = await temporaryFolder(t);
  const full = await openProbe(t, join(folder, "full.db"), { durability: "full" });
  const normal = await openProbe(t, join(folder, "normal.db"), { durability: "normal" });
  const levels = { normal: 1, full: 2 };
  assert.equal(await full.probe("synchronous", undefined), levels.normal);
  assert.equal(await full.probe("synchronous", undefined, { durable: true }), levels.full);
  assert.equal(await full.probe("synchronous", undefined), levels.normal);
  assert.equal(await normal.probe("synchronous", undefined, { durable: true }), levels.normal);
  const together = await Promise.all([
    full.probe("synchronous", undefined),
    full.probe("synchronous", undefined, { durable: true }),
  ]);
  assert.deepEqual(together, [levels.full, levels.full]);
});

test("arguments given as a function are taken when the batch leaves", async (t) => {
  const { probe } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  let text = "early";
  const written = probe("write", () => ({ text }));
  text = "late";
  await written;
  assert.deepEqual(await probe("texts", undefined), ["late"]);
});

test("arguments that cannot be made or cloned fail alone", async (t) => {
  const { probe } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  const outcomes = await Promise.allSettled([
    probe("write", () => {
      throw new RangeError("cannot make them");
    }),
    probe("write", { text: "one" }),
  ]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["rejected", "fulfilled"],
  );
  const uncloneable = { text: (() => "") as unknown as string };
  await assert.rejects(probe("write", uncloneable), { name: "DataCloneError" });
  assert.deepEqual(await probe("texts", undefined), ["one"]);
});

test("a full disk fails what writes, and nothing else, until there is room again", async (t) => {
  const { probe } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  await probe("write", { text: "before" });
  await probe("limitPages", { pagesMax: 1 });
  const large = "x".repeat(100_000);
  const [write, texts] = await Promise.allSettled([
    probe("write", { text: large }),
    probe("texts", undefined),
  ]);
  assert.equal(write.status, "rejected");
  assert.deepEqual(texts, { status: "fulfilled", value: ["before"] });
  await assert.rejects(probe("write", { text: large }), storageUnavailable);
  await probe("limitPages", { pagesMax: 0 });
  await probe("write", { text: large });
  assert.deepEqual(await probe("texts", undefined), ["before", large]);
});

test("close waits for what was called, and what comes later is refused", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  const { database, probe } = await openProbe(t, file);
  const written = probe("write", { text: "last" });
  const closed = database.close();
  assert.equal(database.close(), closed);
  await assert.rejects(probe("write", { text: "late" }), storageUnavailable);
  await Promise.all([written, closed]);
  const again = await openProbe(t, file);
  assert.deepEqual(await again.probe("texts", undefined), ["last"]);
});

test("the worker's death fails every call and spares the process", async (t) => {
  const { database, probe } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  const outcomes = await Promise.allSettled([probe("exit", undefined), probe("texts", undefined)]);
  for (const outcome of outcomes) {
    assert.ok(outcome.status === "rejected");
    assert.equal(outcome.reason.reason, "STORAGE_UNAVAILABLE");
  }
  await assert.rejects(probe("texts", undefined), storageUnavailable);
  await database.close();
});

test("the WAL is moved into the database while it is written, and is gone after close", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  const { database, probe } = await openProbe(t, file);
  // Past 4,096 writes wait for a checkpoint that is at work; some more go before it has begun.
  const pagesMax = 6_000;
  // 50 MiB in steps: without a checkpoint three times as much as the bound.
  for (let step = 0; step < 500; step += 1) {
    await probe("write", { text: `${step}${"x".repeat(100_000)}` });
    const pages = (await probe("walPages", undefined)) ?? 0;
    assert.ok(pages < pagesMax, `${pages} pages`);
  }
  assert.ok((await stat(`${file}-wal`)).size < pagesMax * (4_096 + 24));
  await database.close();
  await assert.rejects(stat(`${file}-wal`), { code: "ENOENT" });
});

test("the folder and the files are for this account alone", async (t) => {
  const folder = join(await temporaryFolder(t), "deep", "data");
  const file = join(folder, "a.db");
  const { probe } = await openProbe(t, file);
  await probe("write", { text: "one" });
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  for (const suffix of ["", "-wal", "-shm", ".lock", ".owner.json"]) {
    assert.equal((await stat(file + suffix)).mode & 0o777, 0o600, suffix);
  }
});
