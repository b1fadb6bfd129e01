import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FinishReason } from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import { startRelay } from "../support/tcp-relay.ts";
import { modelCalls, words } from "../support/turn-checks.ts";
import { startCommand } from "../unit/cli/run-command.ts";
import { keys, lastSession, openClientOf, talkTo } from "./terminal-talk.ts";

const slow = "scripted:1000x20";

describe("a conversation in the terminal", { timeout: 60_000 }, () => {
  test("goes on in the session that the first message began, until /new", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app, ["--model", "scripted:3x0"]);
    await talk.say("one", /w3/);
    await talk.say("two", /w3/);
    await talk.say("/new", /begins a session/);
    await talk.say("three", /w3/);
    await talk.leave();
    const { sessions } = await client.listSessions();
    assert.deepEqual(
      sessions.map(({ messageCount, model }) => [messageCount, model]),
      [
        [2, "scripted:3x0"],
        [4, "scripted:3x0"],
      ],
    );
  });

  test("lists sessions, finds them, and opens one by number or id with its last messages", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const first = client.send("An old question", { modelId: "scripted:2x0" });
    await first.result();
    await client.createSession({ title: "Se\u001b[31mcond" });
    const talk = await talkTo(t, app);
    const listed = await talk.say("/sessions", /2 (?:An old|w1)/);
    assert.match(listed, /1 Se\[31mcond · 0 messages · eliza · /);
    await talk.say("/sessions old quest", /1 \S.* · 2 messages/);
    await talk.say("/open 1", /in session \S+\n> An old question\nw1 w2 \n/);
    await talk.say("/sessions", /2\* /);
    await talk.say("/open 9", /no number 9/);
    await talk.say("/open nope", /SESSION_NOT_FOUND/);
    await talk.say("/open", /needs the id or the number/);
    await talk.say("again", /w2/);
    await talk.leave();
    assert.ok(!talk.shown().includes("\u001b[31m"));
    const { messageCount } = await client.session(first.sessionId).getInfo();
    assert.equal(messageCount, 4);
  });

  test("--session that is not there is told before anything is asked, with its exit code", async (t) => {
    const app = await startApp(t);
    const command = startCommand(t, ["chat", "--url", app.url, "--session", "nope"], {
      terminal: true,
    });
    await command.until(/SESSION_NOT_FOUND/);
    assert.equal((await command.result()).code, 4);
  });

  test("tells commands and unknown ones; // begins a message with /", async (t) => {
    const app = await startApp(t);
    const talk = await talkTo(t, app, ["--model", "scripted:say"]);
    const help = await talk.say("/help", /\/quit +leave/);
    const commands =
      "new sessions open info watch fork delete model system edit retry continue models stats ping help";
    for (const name of commands.split(" ")) assert.match(help, new RegExp(`^/${name} `, "m"));
    await talk.say("/nope", /there is no command \/nope/);
    await talk.say("/new now", /\/new takes nothing/);
    await talk.say("//etc", /\n\/etc\n/);
    talk.type("/quit\r");
    assert.equal((await talk.result()).code, 0);
  });

  test("/info, /models, /stats and /ping tell of the session and the server", async (t) => {
    const app = await startApp(t);
    const talk = await talkTo(t, app);
    await talk.say("/info", /there is no session yet/);
    await talk.say("Hello", /\./);
    await talk.say("/info", /messages +1 of the user, 1 of the model/);
    await talk.say("/models", /eliza \(default\)[\s\S]*scripted:echo/);
    await talk.say("/stats", /requests +1 ok, 0 failed/);
    await talk.say("/ping", /answered in \d+\.\d ms/);
    await talk.leave();
  });

  test("/model and /system are kept by the session, and shown", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app);
    await talk.say("/model", /default model/);
    await talk.say("/system Be short", /told so/);
    await talk.say("/model scripted:2x0", /the next reply is/);
    await talk.say("Hello", /w2/);
    const session = client.session(await lastSession(client));
    const made = await session.getInfo();
    assert.deepEqual([made.model, made.systemInstruction], ["scripted:2x0", "Be short"]);
    await talk.say("/model eliza", /the session was changed: its model is eliza/);
    await talk.say("/model", /eliza/);
    await talk.say("/system", /Be short/);
    await talk.say("/system -", /the model is told nothing/);
    await talk.say("/model nope", /MODEL_UNKNOWN/);
    await talk.leave();
    const changed = await session.getInfo();
    assert.deepEqual([changed.model, changed.systemInstruction], ["eliza", ""]);
  });

  test("/edit and /retry replace, /edit alone gives the last message to be edited", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app, ["--model", "scripted:say"]);
    await talk.say("/edit", /there is no session yet/);
    await talk.say("frist", /\nfrist\n/);
    await talk.say("/edit second", /replaces what is above\nsecond\n/);
    await talk.say("/retry", /replaces what is above\nsecond\n/);
    talk.type("/edit\r");
    await talk.next(/> \/edit second$/);
    talk.type("ly\r");
    await talk.next(/replaces what is above\nsecondly\n> $/);
    await talk.leave();
    const { messages } = await client.session(await lastSession(client)).listMessages();
    assert.deepEqual(
      messages.map(({ text }) => text),
      ["secondly", "secondly"],
    );
  });

  test("Ctrl-C stops a reply and keeps what came; /continue extends it", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app, ["--model", slow]);
    await talk.say("/continue", /there is no session yet/);
    talk.type("Count\r");
    await talk.next(/w3 /);
    talk.type(keys.ctrlC);
    await talk.next(/cancelled; what had arrived is kept[\s\S]*> $/);
    await talk.say("/model scripted:2x0", /next reply/);
    await talk.say("/continue", /w1 w2 \n/);
    await talk.say("/continue", /NOTHING_TO_CONTINUE/);
    await talk.leave();
    const { messages } = await client.session(await lastSession(client)).listMessages();
    assert.match(messages[1]?.text ?? "", /w3 .*w1 w2 $/);
    assert.equal(messages.length, 2);
  });

  test("a second Ctrl-C leaves at once; at the prompt it clears the line, and leaves an empty one", async (t) => {
    const app = await startApp(t);
    const relay = await startRelay(app);
    const talk = await talkTo(t, relay.app, ["--model", slow]);
    talk.type(`half${keys.ctrlC}`);
    talk.type("Count\r");
    await talk.next(/w3 /);
    relay.deafen();
    talk.type(keys.ctrlC);
    talk.type(keys.ctrlC);
    assert.equal((await talk.result()).code, 130);
    const client = openClientOf(app);
    const session = client.session(await lastSession(client));
    await session.cancelTurn();
    const { messages } = await session.listMessages();
    assert.deepEqual(
      messages.map(({ finishReason }) => finishReason),
      [FinishReason.UNSPECIFIED, FinishReason.CANCELLED],
    );
    assert.equal(messages[0]?.text, "Count");
    const other = await talkTo(t, app);
    other.type(keys.ctrlC);
    assert.equal((await other.result()).code, 0);
  });

  test("/fork goes on in a copy, and /delete removes a session once it is confirmed", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app, ["--model", "scripted:2x0"]);
    await talk.say("One", /w2/);
    const original = await lastSession(client);
    await talk.say("/fork Another way", /in session \S+\n> One\nw1 w2 \n/);
    await talk.say("Two", /w2/);
    const fork = await lastSession(client);
    assert.equal((await client.session(fork).getInfo()).messageCount, 4);
    talk.type("/delete\r");
    await talk.next(/no way back for "Another way", 4 messages[\s\S]*\(yes or no\) $/);
    await talk.say("no", /it is kept/);
    talk.type("/delete\r");
    await talk.next(/\(yes or no\) $/);
    await talk.say("yes", /it is deleted/);
    await talk.say("/info", /there is no session yet/);
    await talk.leave();
    const { sessions } = await client.listSessions();
    assert.deepEqual(
      sessions.map(({ sessionId, messageCount }) => [sessionId, messageCount]),
      [[original, 2]],
    );
  });

  test("/watch shows a session from its beginning and as it goes on, until Ctrl-C", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const turn = client.send("First", { modelId: "scripted:2x0" });
    await turn.result();
    const talk = await talkTo(t, app, ["--model", "scripted:say"]);
    talk.type(`/watch ${turn.sessionId}\r`);
    await talk.next(/> First\nw1 w2 \n/);
    await client.session(turn.sessionId).send("Second").result();
    await talk.next(/> Second\nw1 w2 \n/);
    talk.type(keys.ctrlC);
    await talk.next(/> $/);
    await talk.say("/info", /there is no session yet/);
    await talk.say("Hello", /\nHello\n/);
    talk.type("/watch\r");
    await talk.next(/watching session[\s\S]*> Hello\nHello\n/);
    await client
      .session(await lastSession(client))
      .send("from elsewhere")
      .result();
    await talk.next(/> from elsewhere\nfrom elsewhere\n/);
    talk.type(keys.ctrlC);
    await talk.next(/> $/);
    await talk.say("bye", /\nbye\n/);
    await talk.leave();
    assert.equal(talk.screen().split("> from elsewhere").length, 2);
  });

  test("a reply is whole, once, after its connection is cut, and so is the next", async (t) => {
    const app = await startApp(t);
    const relay = await startRelay(app);
    const talk = await talkTo(t, relay.app, ["--model", "scripted:100x20"]);
    talk.type("Count\r");
    await talk.next(/w5 /);
    relay.cut();
    await talk.next(/w30 /);
    relay.cut();
    await talk.next(/w100 \n/);
    await talk.next(/> $/);
    assert.ok(talk.screen().includes(`> Count\n${words(100)}\n> `), talk.shown());
    relay.cut();
    await talk.say("/model scripted:2x0", /next reply/);
    await talk.say("Again", /\nw1 w2 \n/);
    await talk.leave();
    assert.equal((await app.metrics()).get(modelCalls), 2);
  });
});
