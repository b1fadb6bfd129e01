import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openProbe, temporaryFolder } from "./probe.ts";
import { createGate, reached, release } from "./probe-operations.ts";

const storageUnavailable = { kind: "unavailable", reason: "STORAGE_UNAVAILABLE", retryable: true };

test("a read that takes long delays no write, and sees what was there when it began", async (t) => {
  const { probe, read } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  await probe("write", { text: "before" });
  const gate = createGate();
  const texts = read("textsOnceReleased", { gate });
  await reached(gate);
  for (const text of ["one", "two"]) await probe("write", { text }, { durable: true });
  assert.deepEqual(await probe("texts", undefined), ["before", "one", "two"]);
  release(gate);
  assert.deepEqual(await texts, ["before"]);
});

test("a write that takes long delays no read", async (t) => {
  const { probe, read } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  await probe("write", { text: "before" });
  const gate = createGate();
  const waiting = probe("waitUntilReleased", { gate });
  await reached(gate);
  assert.deepEqual(await read("texts", undefined), ["before"]);
  release(gate);
  await waiting;
});

test("a read sees every write that was resolved before it was called", async (t) => {
  const { probe, read } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  const written: string[] = [];
  for (let step = 0; step < 200; step += 1) {
    const text = `text ${step}`;
    await probe("write", { text });
    written.push(text);
    assert.deepEqual(await read("texts", undefined), written);
  }
});

test("a read that writes is refused and changes nothing", async (t) => {
  const { probe, read } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  await assert.rejects(read("write", { text: "one" }), storageUnavailable);
  assert.deepEqual(await probe("texts", undefined), []);
  assert.deepEqual(await read("texts", undefined), []);
});

test("the WAL goes on, and is begun anew, once a long read has ended", async (t) => {
  const { probe, read } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  const gate = createGate();
  const texts = read("textsOnceReleased", { gate });
  await reached(gate);
  const write = (step: number) => probe("write", { text: `${step}${"x".repeat(100_000)}` });
  for (let step = 0; step < 80; step += 1) await write(step);
  const pages = (await probe("walPages", undefined)) ?? 0;
  assert.ok(pages > 1_500, `${pages} pages`);
  release(gate);
  await texts;
  // The checkpoints come before any read that is called now: after one or two it has been done.
  for (let step = 80; ; step += 1) {
    await read("texts", undefined);
    await write(step);
    if (((await probe("walPages", undefined)) ?? 0) < pages) break;
    assert.ok(step < 100, "it goes on growing");
  }
});

test("slices of background work go alone, in turns with what else is called", async (t) => {
  const { probe } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  const order: string[] = [];
  const gate = createGate();
  const note = (name: string) => () => order.push(name);
  const background = { durable: false, background: true };
  const waiting = probe("waitUntilReleased", { gate });
  await reached(gate);
  const calls = [
    probe("texts", undefined, background).then(note("background 1")),
    probe("texts", undefined, background).then(note("background 2")),
    probe("texts", undefined).then(note("call 1")),
    probe("texts", undefined).then(note("call 2")),
  ];
  release(gate);
  await Promise.all([waiting, ...calls]);
  assert.deepEqual(order, ["background 1", "call 1", "call 2", "background 2"]);
});

test("the reading thread's death fails every call, spares the process and frees the file", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  const { database, probe, read } = await openProbe(t, file);
  await probe("write", { text: "kept" });
  const outcomes = await Promise.allSettled([read("exit", undefined), read("texts", undefined)]);
  for (const outcome of outcomes) {
    assert.ok(outcome.status === "rejected");
    assert.equal(outcome.reason.reason, "STORAGE_UNAVAILABLE");
  }
  await assert.rejects(database.check(), storageUnavailable);
  await assert.rejects(probe("texts", undefined), storageUnavailable);
  await database.close();
  const again = await openProbe(t, file);
  assert.deepEqual(await again.read("texts", undefined), ["kept"]);
});

test("close waits for reads, and later ones are refused", async (t) => {
  const { database, read } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  const texts = read("texts", undefined);
  const closed = database.close();
  await assert.rejects(read("texts", undefined), storageUnavailable);
  assert.deepEqual(await texts, []);
  await closed;
});

test("arguments that cannot be cloned fail their read alone", async (t) => {
  const { read } = await openProbe(t, join(await temporaryFolder(t), "a.db"));
  const uncloneable = { gate: (() => 0) as unknown as ReturnType<typeof createGate> };
  const refused = assert.rejects(read("textsOnceReleased", uncloneable), {
    name: "DataCloneError",
  });
  assert.deepEqual(await read("texts", undefined), []);
  await refused;
});

test("on Linux the reading thread goes behind the others, where processors are few", {
  skip: process.platform === "linux" ? false : "elsewhere threads have no priority of their own",
}, async (t) => {
  const own = getPriority();
  const before = priorities();
  await openProbe(t, join(await temporaryFolder(t), "a.db"));
  const ascending = (a: number, b: number) => a - b;
  assert.deepEqual(
    priorities().toSorted(ascending),
    [...before, own, Math.min(own + 5, 19)].toSorted(ascending),
  );
  assert.equal(getPriority(), own);
});

/** The nice values of this process' threads, proc_pid_stat(5). */
function priorities(): number[] {
  return readdirSync("/proc/self/task").map((id) => {
    const stat = readFileSync(`/proc/self/task/${id}/stat`, "utf8");
    // After the name, which may have spaces, the value is the 17th.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  });
}
