import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startApp } from "../support/app.ts";
import { keys, lastSession, openClientOf, type Talk, talkTo } from "./terminal-talk.ts";

const reply = `# Title

Some **bold** text that is longer than the eighty columns of this terminal, so that it is wrapped by it.

| a | b |
|---|---|
| 1 | 2 |

\`\`\`ts
const a = 1;
\`\`\``;

/** What is on the screen above its last line, where the prompt is. */
const above = (talk: Talk) => talk.screen().slice(0, talk.screen().lastIndexOf("\n") + 1);

describe("what the terminal has shown", { timeout: 60_000 }, () => {
  test("stays as it is, whatever is shown after it, and no screen but the terminal's own is used", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app, ["--model", "scripted:say"]);
    const steps: (() => Promise<unknown>)[] = [
      () => talk.say("one", /\none\n/),
      () => talk.say("/sessions", /one/),
      () => talk.say("/info", /messages +1 of the user/),
      () => talk.say("/edit two", /replaces what is above\ntwo\n/),
      () => talk.say("/nope", /there is no command/),
      async () => {
        talk.type("half a line");
        await talk.next(/> half a line$/);
        await client
          .session(await lastSession(client))
          .send(reply)
          .result();
        await talk.next(/const a = 1;[\s\S]*> half a line$/);
      },
      async () => {
        talk.type(`${keys.ctrlC}/edit\r`);
        await talk.next(/> \/edit # Title[^\n]*$/);
        talk.type(keys.ctrlC);
        await talk.next(/> $/);
      },
      () => talk.say("/new", /the next message begins a session/),
      () => talk.say("three", /\nthree\n/),
    ];
    for (const step of steps) {
      const before = above(talk);
      await step();
      const after = above(talk);
      assert.ok(after.startsWith(before), `${before}\n--- became ---\n${after}`);
    }
    await talk.leave();
    // The alternate screen and the mouse, a cleared screen or scrollback, a scrolling region, a reset.
    const forbidden = new RegExp(
      `${"\u001b"}(?:\\[\\?(?:47|104[79]|100\\d)[hl]|\\[[23]J|\\[\\d*(?:;\\d*)?r|c)`,
    );
    assert.doesNotMatch(talk.shown(), forbidden);
  });
});
