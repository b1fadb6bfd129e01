import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Code } from "@connectrpc/connect";
import { startApp } from "../support/app.ts";
import { binaryLanes, connectLane } from "../support/lanes.ts";
import { runProgram, temporaryFolder } from "../support/programs.ts";
import { assertError, collect, failureOf } from "../support/wire.ts";

const bin = fileURLToPath(new URL("../../bin/chatwire.js", import.meta.url));

async function chatwire(t: TestContext, databaseUrl: string, ...args: string[]) {
  const { CI: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
  return runProgram(t, process.execPath, [bin, ...args, "--database-url", databaseUrl], { env });
}

/** One lane of each protocol. */
const oneOfEach = binaryLanes.filter(({ httpVersion }) => httpVersion === "2");

for (const lane of oneOfEach) {
  test(`a backup of a busy server is restored, and cursors of the lost future are told (${lane.name})`, async (t) => {
    const folder = temporaryFolder(t);
    const databaseUrl = `sqlite:${join(folder, "chatwire.db")}`;
    const backup = join(folder, "backup.db");
    const env = { DATABASE_URL: databaseUrl };
    const before = await startApp(t, { env });
    const first = connectLane(before, lane);
    const { sessionId } = await first.chat.createSession({ modelId: "scripted:3x1" });
    const kept = await first.chat.sendMessage({ sessionId, message: "kept" });

    // A turn runs while the copy is made; its stream goes on.
    const running = collect(
      first.chat.streamChat({ message: "count", modelId: "scripted:100x20" }),
    );
    const made = await chatwire(t, databaseUrl, "backup", backup, "--json");
    assert.equal(made.code, 0, made.stderr);
    assert.ok(JSON.parse(made.stdout).messages >= 2);
    assert.equal((await running).at(-1)?.totalChunks, 100);

    const lost = await first.chat.sendMessage({ sessionId, message: "lost" });
    const { epoch } = await first.chat.listMessages({ sessionId });
    const refused = await chatwire(t, databaseUrl, "restore", backup);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /is in use by process \d+ at http.*stop it first/);
    first.cut();
    await before.close();

    const restored = await chatwire(t, databaseUrl, "restore", backup);
    assert.equal(restored.code, 0, restored.stderr);
    const after = await startApp(t, { env });
    const { chat } = connectLane(after, lane);
    const cursor = { sessionId, afterSequence: lost.sequence, afterEpoch: epoch };
    const failure = await failureOf(collect(chat.watchSession(cursor)));
    const { metadata } = assertError(failure, Code.DataLoss, "EPOCH_CHANGED");
    const page = await chat.listMessages({ sessionId });
    assert.equal(metadata.epoch, String(page.epoch));
    assert.ok(page.epoch > epoch);
    assert.deepEqual(
      page.messages.map(({ text }) => text),
      ["kept", "w1 w2 w3 "],
    );
    assert.equal(page.lastSequence, kept.sequence);
    const next = await chat.sendMessage({ sessionId, message: "next" });
    const watch = { sessionId, afterSequence: page.lastSequence, afterEpoch: page.epoch };
    const watched = await collect(chat.watchSession({ ...watch, untilIdle: true }));
    assert.equal(watched.findLast(({ sequence }) => sequence > 0n)?.sequence, next.sequence);
  });
}
