import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { createTyping } from "../../../src/cli/typing.ts";

/** Somebody in session "s" whose typing is told, and what they are shown of others. */
function startTyping(t: TestContext, { sent = true } = {}) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const told: string[] = [];
  const shown: boolean[] = [];
  const typing = createTyping(
    () => "s",
    (sessionId, isTyping) => {
      told.push(`${sessionId} ${isTyping ? "starts" : "stops"}`);
      return sent;
    },
    (isTyping) => shown.push(isTyping),
  );
  return { typing, told, shown, tick: (ms: number) => t.mock.timers.tick(ms) };
}

describe("typing", () => {
  test("is told once, until the line is sent, emptied, or left for 5 s", (t) => {
    const { typing, told, tick } = startTyping(t);
    typing.key("h");
    typing.key("hi");
    typing.key("");
    typing.key("a");
    tick(4_999);
    typing.key("ab");
    tick(4_999);
    assert.deepEqual(told, ["s starts", "s stops", "s starts"]);
    tick(1);
    typing.close();
    assert.deepEqual(told, ["s starts", "s stops", "s starts", "s stops"]);
  });

  test("is told again by who goes on for longer than it takes to fade", (t) => {
    const { typing, told, shown, tick } = startTyping(t);
    for (let key = 0; key < 13; key += 1) {
      typing.key("a");
      tick(1_000);
    }
    assert.deepEqual(told, ["s starts", "s starts", "s starts"]);
    typing.close();
    assert.deepEqual(told.slice(3), ["s stops"]);
    // All of it comes back, and none of it is shown.
    for (const isTyping of [true, true, true, false]) typing.heard(isTyping);
    assert.deepEqual(shown, []);
  });

  test("of a command is not told", (t) => {
    const { typing, told } = startTyping(t);
    typing.key("/");
    typing.key("/open");
    assert.deepEqual(told, []);
  });

  test("of this person comes back from the server and is not shown; that of others is, and fades", (t) => {
    const { typing, shown, tick } = startTyping(t);
    typing.key("h");
    typing.heard(true);
    assert.deepEqual(shown, []);
    typing.heard(true);
    typing.key("");
    typing.heard(false);
    assert.deepEqual(shown, [true]);
    tick(10_000);
    assert.deepEqual(shown, [true, false]);
  });

  test("of this person is not shown when the watch begins between the word and its echo", (t) => {
    const { typing, shown } = startTyping(t);
    typing.key("h");
    typing.live();
    typing.heard(true);
    typing.key("");
    typing.heard(false);
    assert.deepEqual(shown, []);
  });

  test("that could not be told has no echo", (t) => {
    const { typing, shown } = startTyping(t, { sent: false });
    typing.key("h");
    typing.heard(true);
    assert.deepEqual(shown, [true]);
    typing.close();
  });
});
