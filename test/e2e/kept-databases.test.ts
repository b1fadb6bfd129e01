import assert from "node:assert/strict";
import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { FinishReason } from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import { connectLane, lanes } from "../support/lanes.ts";
import { temporaryFolder } from "../support/programs.ts";
import { collect } from "../support/wire.ts";

const folder = fileURLToPath(new URL("../fixtures/database/", import.meta.url));

for (const name of readdirSync(folder).filter((file) => file.endsWith(".db"))) {
  test(`the database that release ${name.slice(0, -3)} wrote opens, and goes on`, async (t) => {
    const file = join(temporaryFolder(t), "chatwire.db");
    copyFileSync(join(folder, name), file);
    const app = await startApp(t, { env: { DATABASE_URL: `sqlite:${file}` } });
    const [lane] = lanes;
    assert.ok(lane);
    const { chat } = connectLane(app, lane);

    const { sessions } = await chat.listSessions({});
    const kept = sessions.find(({ title }) => title === "Kept");
    assert.ok(kept, sessions.map(({ title }) => title).join());
    const { sessionId } = kept;
    const { messages, lastSequence } = await chat.listMessages({ sessionId });
    assert.equal(messages[0]?.text, "My name is Ada");
    assert.equal(messages[3]?.text, "ünïcödé 👩‍👩‍👧 text");
    assert.equal(messages[5]?.finishReason, FinishReason.FAILED);
    assert.equal(messages.at(-1)?.text, "w1 w2 w3 ");

    const events = await collect(chat.watchSession({ sessionId, untilIdle: true }));
    const sequences = events.map(({ sequence }) => sequence).filter((sequence) => sequence > 0n);
    assert.deepEqual(
      sequences,
      Array.from({ length: Number(lastSequence) }, (_, i) => BigInt(i + 1)),
    );

    const again = { sessionId, message: "My name is Ada", requestId: "fixture-turn" };
    const replayed = await chat.sendMessage(again);
    assert.equal(replayed.messageId, messages[1]?.messageId);
    const next = await chat.sendMessage({ sessionId, message: "Hello again" });
    assert.ok(next.sequence > lastSequence);
  });
}
