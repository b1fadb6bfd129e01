import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OnDisconnect } from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import { words } from "../support/turn-checks.ts";
import { keys, lastSession, openClientOf, talkTo } from "./terminal-talk.ts";

describe("several terminals in one session", { timeout: 60_000 }, () => {
  test("each sees what the other asks and is answered, once, in order", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const first = await talkTo(t, app, ["--model", "scripted:say"]);
    await first.say("one", /\none\n/);
    const id = await lastSession(client);
    const second = await talkTo(t, app, []);
    await second.say(`/open ${id}`, /in session \S+\n> one\none\n/);
    await second.say("two", /\ntwo\n/);
    await first.next(/> two\ntwo\n> $/);
    await first.say("three", /\nthree\n/);
    await second.next(/> three\nthree\n> $/);
    await Promise.all([first.leave(), second.leave()]);
    for (const talk of [first, second]) {
      const shown = talk.screen();
      for (const word of ["two", "three"]) {
        assert.equal(shown.split(`\n${word}\n`).length, 2, shown);
      }
    }
  });

  test("what comes while a person types stands above the line, which keeps what was typed", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app, ["--model", "scripted:say"]);
    await talk.say("one", /\none\n/);
    const session = client.session(await lastSession(client));
    const long = `half of ${"a long line ".repeat(12)}`;
    talk.type(long);
    await talk.next(/line $/);
    await session.send("from elsewhere\nin two lines").result();
    const seen = await talk.next(
      /in two lines\nfrom elsewhere\nin two lines\n+> half of [\s\S]*line $/,
    );
    assert.match(seen, /> from elsewhere\nin two lines\n/);
    await talk.say("done", /\nhalf of [\s\S]*line done\n/);
    await talk.leave();
    const { messages } = await session.listMessages({ newestFirst: true, pageSize: 1 });
    assert.equal(messages[0]?.text, `${long}done`);
  });

  test("a reply of another is shown when its line is whole", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app, ["--model", "scripted:say"]);
    await talk.say("one", /\none\n/);
    const session = client.session(await lastSession(client));
    await session.send("Count", { modelId: "scripted:100x1" }).result();
    await talk.next(/> Count\nw1 w2 .*w100 \n> $/);
    await talk.leave();
  });

  test("a message in a busy session waits, and both replies are shown in order", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app, ["--model", "scripted:2x0"]);
    await talk.say("one", /w2/);
    const session = client.session(await lastSession(client));
    const busy = session.send("Count", { modelId: "scripted:60x5" });
    await busy.events.next();
    const seen = await talk.say("and then", /waits for its turn; 1 in the queue[\s\S]*\nw1 w2 \n/);
    assert.ok(seen.indexOf(words(60).slice(-20)) < seen.lastIndexOf("w1 w2 \n"), seen);
    await talk.leave();
  });

  test("who types is shown in front of the prompt, to the others alone, until it is sent", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const first = await talkTo(t, app, ["--model", "scripted:say"]);
    await first.say("one", /\none\n/);
    const second = await talkTo(t, app, ["--session", await lastSession(client)]);
    second.type("/sys");
    await second.next(/sys$/);
    second.type(`${keys.ctrlC}I thi`);
    await first.next(/\(somebody is typing\) > $/);
    second.type("nk\r");
    await first.next(/> I think\nI think\n> $/);
    await second.next(/\nI think\n> $/);
    first.type("so");
    await second.next(/\(somebody is typing\) > $/);
    first.type(keys.ctrlC);
    await second.next(/> $/);
    await Promise.all([first.leave(), second.leave()]);
    const shown =
      first.shown().split("somebody is typing").length +
      second.shown().split("somebody is typing").length;
    assert.equal(shown, 4);
  });

  test("a session that is opened in mid reply shows the whole of it, once", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const turn = client.send("Count", {
      modelId: "scripted:100x10",
      onDisconnect: OnDisconnect.CONTINUE,
    });
    for await (const { chunkNumber } of turn.events) if (chunkNumber === 20) break;
    const talk = await talkTo(t, app);
    talk.type(`/open ${turn.sessionId}\r`);
    await talk.next(/w100 \n> $/);
    await talk.leave();
    const [, reply = ""] = /\n> Count\n([\s\S]*w100 )\n/.exec(talk.screen()) ?? [];
    assert.equal(reply.replaceAll(/\n(?:> \n)?/g, ""), words(100), talk.screen());
  });

  test("a session that is deleted elsewhere is left, and the next message begins another", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app, ["--model", "scripted:say"]);
    await talk.say("one", /\none\n/);
    await client.session(await lastSession(client)).delete();
    await talk.next(/the session was deleted\n> $/);
    await talk.say("two", /\ntwo\n/);
    await talk.leave();
    assert.equal((await client.listSessions()).sessions.length, 1);
  });
});
