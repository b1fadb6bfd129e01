import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { cutReply, tailWaitMs } from "../../../src/chat/cut-reply.ts";
import type { ChunkBy } from "../../../src/chat/turn.ts";

/** A reply that is cut while a test decides the time; what has come of it, with when the model gave that. */
function openReply(t: TestContext, chunkBy: ChunkBy) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const chunks: [string, number][] = [];
  const reply = cutReply({
    chunkBy,
    now: () => ({ at: 1_000 + Date.now(), elapsedMs: Date.now() }),
    onChunk: ({ text }, { elapsedMs }) => chunks.push([text, elapsedMs]),
  });
  return {
    chunks,
    say(text: string, afterMs = 0, thought = false) {
      t.mock.timers.tick(afterMs);
      reply.push(text, thought);
    },
    wait: (ms: number) => t.mock.timers.tick(ms),
    finish: () => reply.finish(),
  };
}

describe("a reply that is cut as it comes", () => {
  it("gives a part whole after a moment, or when the next one comes, with when the model gave it", (t) => {
    const { chunks, say, wait, finish } = openReply(t, "model");
    say("Hel", 5);
    wait(tailWaitMs - 1);
    assert.deepEqual(chunks, []);
    wait(1);
    assert.deepEqual(chunks, [["Hel", 5]]);
    say("lo", 10);
    say(" wor", 10);
    assert.deepEqual(chunks.slice(1), [["lo", 15 + tailWaitMs]]);
    say("ld ", 10);
    assert.deepEqual(chunks.slice(2), [
      [" wor", 25 + tailWaitMs],
      ["ld ", 35 + tailWaitMs],
    ]);
    say("!", 1);
    wait(1);
    finish();
    assert.deepEqual(chunks.slice(4), [["!", 36 + tailWaitMs]]);
    wait(10 * tailWaitMs);
    assert.equal(chunks.length, 5);
  });

  it("waits for a mark that comes in time, and for as long as it takes where one is likely", (t) => {
    const { chunks, say, wait, finish } = openReply(t, "model");
    say("cafe");
    say("\u0301 ol", tailWaitMs - 1);
    assert.deepEqual(chunks, []);
    wait(tailWaitMs);
    assert.deepEqual(chunks, [["cafe\u0301 ol", tailWaitMs - 1]]);
    say("👨🏽");
    wait(100 * tailWaitMs);
    say("\u200d🚒");
    finish();
    assert.equal(chunks.at(-1)?.[0], "👨🏽\u200d🚒");
  });

  it("gives a word with when the last of it came", (t) => {
    const { chunks, say, finish } = openReply(t, "word");
    say("He", 1);
    say("llo ", 1);
    say("", 1);
    say("world", 100);
    assert.deepEqual(chunks, [["Hello ", 2]]);
    finish();
    assert.deepEqual(chunks.slice(1), [["world", 103]]);
  });

  it("gives what waits before a thought begins", (t) => {
    const { chunks, say, finish } = openReply(t, "model");
    say("a", 1, true);
    say("b", 1, false);
    assert.deepEqual(chunks, [["a", 1]]);
    finish();
    assert.deepEqual(chunks, [
      ["a", 1],
      ["b", 2],
    ]);
  });
});
