import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { historyLimits } from "../../src/cli/history.ts";
import { startApp } from "../support/app.ts";
import { startCommand, stateFolder } from "../unit/cli/run-command.ts";
import { keys, lastSession, openClientOf, pasted, talkTo } from "./terminal-talk.ts";

const say = ["--model", "scripted:say"];

const start = "\u001b";
/** What formats text. */
const format = new RegExp(`${start}\\[[\\d;]*m`);
/** That, and what readline and bracketed paste need. */
const allowed = new RegExp(`${start}\\[(?:[\\d;]*m|\\d*[ABCDGJ]|\\?2004[hl])`, "g");

describe("the line that a person edits", { timeout: 60_000 }, () => {
  test("comes back by the up arrow, in a later conversation too; one that begins with a space does not", async (t) => {
    const app = await startApp(t);
    const state = stateFolder(t);
    const first = await talkTo(t, app, say, { state });
    await first.say("one", /\none\n/);
    await first.say(" secret", /\n secret\n/);
    await first.say("/models", /scripted:say/);
    await first.leave();
    const file = join(state, "chatwire", "history");
    assert.equal(readFileSync(file, "utf8"), "one\n/models\n");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(state, "chatwire")).mode & 0o777, 0o700);
    const second = await talkTo(t, app, say, { state });
    second.type(`${keys.up}${keys.up}`);
    await second.next(/> one$/);
    await second.say("", /> one\none\n/);
    await second.leave();
  });

  test("a history that has grown long is cut to its last lines, and one that cannot be kept costs nothing", async (t) => {
    const app = await startApp(t);
    const state = stateFolder(t);
    const file = join(state, "chatwire", "history");
    mkdirSync(join(state, "chatwire"));
    const count = 3 * historyLimits.linesMax;
    writeFileSync(file, Array.from({ length: count }, (_, line) => `line ${line}\n`).join(""));
    const talk = await talkTo(t, app, say, { state });
    talk.type(keys.up);
    await talk.next(new RegExp(`> line ${count - 1}$`));
    talk.type(keys.ctrlC);
    await talk.leave();
    const kept = readFileSync(file, "utf8").trim().split("\n");
    assert.deepEqual([kept.length, kept.at(-1)], [historyLimits.linesMax, `line ${count - 1}`]);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const nowhere = await talkTo(t, app, say, { state: file });
    await nowhere.say("one", /\none\n/);
    await nowhere.leave();
  });

  test("an answer to a question is not kept", async (t) => {
    const app = await startApp(t);
    const talk = await talkTo(t, app, say);
    await talk.say("one", /\none\n/);
    talk.type("/delete\r");
    await talk.next(/\(yes or no\) $/);
    await talk.say("no way", /it is kept/);
    talk.type(keys.up);
    await talk.next(/> \/delete$/);
    talk.type(keys.ctrlC);
    await talk.leave();
    assert.equal(readFileSync(join(talk.state, "chatwire", "history"), "utf8"), "one\n/delete\n");
  });

  test("Tab completes commands, models, and sessions by id or by their words", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const { sessionId } = await client.createSession({ title: "Tax return" });
    const { sessionId: other } = await client.createSession({ title: "Holidays" });
    const talk = await talkTo(t, app);
    talk.type(`/sess${keys.tab}`);
    await talk.next(/> \/sessions $/);
    talk.type(keys.ctrlC);
    talk.type(`/m${keys.tab}`);
    await talk.next(/> \/model$/);
    talk.type(keys.tab);
    await talk.next(/\/model +\/models\s*> \/model$/);
    talk.type(keys.ctrlC);
    talk.type(`/model scripted:t${keys.tab}`);
    await talk.next(/> \/model scripted:thoughts$/);
    talk.type(keys.ctrlC);
    talk.type(`/open ${sessionId.slice(0, 8)}${keys.tab}`);
    await talk.next(new RegExp(`> /open ${sessionId}$`));
    talk.type(keys.ctrlC);
    talk.type(`/open holi${keys.tab}`);
    await talk.next(new RegExp(`> /open ${other}$`));
    talk.type(keys.ctrlC);
    for (const key of ["no command", keys.tab, keys.tab, "!"]) talk.type(key);
    await talk.next(/> no command!$/);
    talk.type(keys.ctrlC);
    await talk.leave();
  });

  test("a pasted text of several lines is one message, byte for byte, and nothing in it is a key", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app, say);
    const text = "if (a) {\n\treturn;\r\n}\n\n/quit";
    talk.type(`look: ${pasted(`${text}\u0003\u001b[A`)}`);
    await talk.next(/> look: if \(a\) \{␤␉return;␤\}␤␤\/quit\[A$/);
    talk.type(`${keys.altEnter}end\r`);
    await talk.next(/> $/);
    await talk.leave();
    const { messages } = await client.session(await lastSession(client)).listMessages();
    assert.equal(messages[0]?.text, `look: ${text.replace("\r", "")}[A\nend`);
  });

  test("a paste that arrives in pieces is the same, and lines that are not marked come one by one", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const talk = await talkTo(t, app, say);
    for (const piece of ["\u001b[2", "00~a\r", "\nb", "\u001b[20", "1~", "\r"]) talk.type(piece);
    await talk.next(/\na\nb\n> $/);
    talk.type("one\rtwo\r/quit\r");
    assert.equal((await talk.result()).code, 0);
    const { messages } = await client.session(await lastSession(client)).listMessages();
    assert.deepEqual(
      messages.map(({ text }) => text),
      ["a\nb", "a\nb", "one", "one", "two", "two"],
    );
  });

  test("bracketed paste is asked for at the start and ended at the end", async (t) => {
    const app = await startApp(t);
    const talk = await talkTo(t, app);
    await talk.leave();
    const shown = talk.shown();
    assert.ok(shown.includes("\u001b[?2004h"));
    assert.ok(shown.indexOf("\u001b[?2004h") < shown.indexOf("> "));
    assert.ok(shown.endsWith("\u001b[?2004l"), JSON.stringify(shown));
  });
});

describe("what a conversation writes", { timeout: 60_000 }, () => {
  test("a hostile reply and title reach the terminal without what it would obey", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const evil =
      "\u001b]8;;http://evil\u0007link\u001b]8;;\u0007 \u001b[2J\u009b31m\u001b]52;c;AAAA\u0007 **bold**";
    await client.createSession({ title: evil });
    const turn = client.send(evil, { modelId: "scripted:say" });
    await turn.result();
    const talk = await talkTo(t, app);
    await talk.say("/sessions", /2 /);
    await talk.say(`/open ${turn.sessionId}`, /in session/);
    await talk.say(`/model ${"\u001b"}]0;x${"\u0007"}`, /MODEL_UNKNOWN/);
    await talk.leave();
    // The screen throws for every sequence but those of readline, and this is the rest.
    const rest = talk.shown().replaceAll(allowed, "");
    assert.doesNotMatch(rest, /(?![\r\n\t])\p{Cc}/u);
    assert.match(rest, /\]8;;http:\/\/evil/);
    assert.ok(talk.shown().includes("\u001b[1mbold\u001b[22m"));
  });

  test("NO_COLOR leaves the text without a format", async (t) => {
    const app = await startApp(t);
    const talk = await talkTo(t, app, say, { env: { NO_COLOR: "1" } });
    await talk.say("**a** `b`", /\n\*\*a\*\* `b`\n/);
    await talk.leave();
    assert.doesNotMatch(talk.shown(), format);
  });

  test("a dumb terminal gets no control sequence at all, and edits its lines itself", async (t) => {
    const app = await startApp(t);
    const talk = await talkTo(t, app, say, { env: { TERM: "dumb" } });
    talk.type("**a** `b`\n");
    await talk.next(/> \*\*a\*\* `b`\n> $/);
    talk.stdin.end();
    assert.equal((await talk.result()).code, 0);
    assert.ok(!talk.shown().includes(start));
  });

  test("into a pipe go the replies alone, byte for byte; the prompt stays on the terminal", async (t) => {
    const app = await startApp(t);
    const state = stateFolder(t);
    const talk = await talkTo(t, app, say, { state, stdoutPiped: true });
    talk.type("**a**\r");
    await talk.next(/\*\*a\*\*\n\*\*a\*\*\n> $/);
    await talk.leave();
    const { stdout } = await talk.result();
    assert.equal(stdout, "**a**\n");
  });

  test("--json has events alone on stdout, all of the session, once and in order", async (t) => {
    const app = await startApp(t);
    const talk = await talkTo(t, app, ["--model", "scripted:2x0", "--json"], { stdoutPiped: true });
    await talk.say("one", /SPONSE_COMPLETE/);
    await talk.say("/models", /scripted:echo/);
    await talk.say("/retry", /messages_replaced[\s\S]*RESPONSE_COMPLETE/);
    await talk.leave();
    const { stdout } = await talk.result();
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      events.filter(({ sequence }) => sequence).map(({ sequence }) => Number(sequence)),
      Array.from({ length: 11 }, (_, index) => index + 1),
    );
    assert.equal(events[0].userMessage.text, "one");
  });

  test("without a place for its history nothing is written elsewhere", async (t) => {
    const app = await startApp(t);
    const home = stateFolder(t);
    const args = ["chat", "--url", app.url];
    const command = startCommand(t, args, {
      terminal: true,
      env: { XDG_STATE_HOME: "relative", HOME: home },
    });
    app.defer(command.close);
    await command.until(/> /);
    command.type("hi\r\u0004");
    await command.result();
    assert.ok(existsSync(join(home, ".local", "state", "chatwire", "history")));
    assert.equal(existsSync("relative"), false);
  });
});
