import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chunk, complete, type Script, startFakeServer, untilCancelled } from "./fake-server.ts";
import { noTerminal, startCli } from "./run-cli.ts";

const ctrlC = "\u0003";
const ctrlD = "\u0004";

const echo: Script = async function* ({ request }) {
  yield chunk(`in ${request.sessionId || "a new one"}`);
  yield complete();
};

/** Streams, says when it was cancelled, and never ends. */
const deaf: Script = async function* ({ cancelled }) {
  yield chunk("deaf ");
  await cancelled;
  yield chunk("told ");
  await new Promise(() => {});
};

describe("a conversation in a terminal", { timeout: 60_000, skip: noTerminal() }, () => {
  test("goes on in the session that the first message opened, until /new", async (t) => {
    const server = await startFakeServer(t, { one: echo, two: echo, three: echo });
    const cli = startCli(t, ["chat", "--url", server.url], { terminal: true });
    await cli.until(/answers as eliza[\s\S]*> /);
    cli.type("one\r");
    await cli.until(/in a new one\r\n/);
    cli.type("two\r");
    await cli.until(/in session-1\r\n/);
    cli.type("/new\r");
    await cli.until(/begins a session/);
    cli.type("three\r");
    await cli.until(/in a new one[\s\S]*in a new one\r\n/);
    cli.type("/quit\r");
    assert.equal((await cli.result()).code, 0);
    assert.deepEqual(
      server.turns.map(({ sessionId }) => sessionId),
      ["", "session-1", ""],
    );
  });

  test("lists sessions and opens one by its number, with its last messages", async (t) => {
    const server = await startFakeServer(t, { one: echo });
    const cli = startCli(t, ["chat", "--url", server.url], { terminal: true });
    await cli.until(/> /);
    cli.type("/sessions\r");
    const listed = await cli.until(/1 First \[31mone · 2 messages[\s\S]*2 the second · 1 message /);
    assert.ok(!listed.includes("\u001b[31m"));
    cli.type("/open 2\r");
    await cli.until(/> an old question\r\nan old answer\r\n[\s\S]*in session bbb/);
    cli.type("one\r");
    await cli.until(/in bbb\r\n/);
    cli.type("/open 9\r");
    await cli.until(/no number 9/);
    cli.type("/open nope\r");
    await cli.until(/SESSION_NOT_FOUND/);
    cli.type("/sessions\r");
    await cli.until(/2\* the second/);
    cli.type(ctrlD);
    assert.equal((await cli.result()).code, 0);
  });

  test("tells commands and unknown ones; // begins a message with /", async (t) => {
    const server = await startFakeServer(t, { "/etc": echo });
    const cli = startCli(t, ["chat", "--url", server.url], { terminal: true });
    await cli.until(/> /);
    cli.type("/help\r");
    await cli.until(/\/sessions {2,}list/);
    cli.type("/nope\r");
    await cli.until(/there is no command \/nope/);
    cli.type("//etc\r");
    await cli.until(/in a new one/);
    cli.type(ctrlD);
    assert.equal((await cli.result()).code, 0);
  });

  test("Ctrl-C in a reply cancels it and keeps the conversation; one at the prompt leaves", async (t) => {
    const server = await startFakeServer(t, { wait: untilCancelled, one: echo });
    const cli = startCli(t, ["chat", "--url", server.url], { terminal: true });
    await cli.until(/> /);
    cli.type("wait\r");
    await cli.until(/two /);
    cli.type(ctrlC);
    await cli.until(/cancelled; what had arrived is kept[\s\S]*> /);
    cli.type("one\r");
    await cli.until(/in session-1\r\n[\s\S]*> /);
    cli.type(ctrlC);
    assert.equal((await cli.result()).code, 0);
    assert.equal(server.cancels.length, 1);
  });

  test("a second Ctrl-C in a reply leaves without waiting for the server", async (t) => {
    const server = await startFakeServer(t, { deaf });
    const cli = startCli(t, ["chat", "--url", server.url], { terminal: true });
    await cli.until(/> /);
    cli.type("deaf\r");
    await cli.until(/deaf (?!\r)/);
    cli.type(ctrlC);
    await cli.until(/told /);
    cli.type(ctrlC);
    assert.equal((await cli.result()).code, 130);
  });

  test("lines that are pasted at once are asked one after the other", async (t) => {
    const server = await startFakeServer(t, { one: echo, two: echo, three: echo });
    const cli = startCli(t, ["chat", "--url", server.url], { terminal: true });
    await cli.until(/> /);
    cli.type("one\rtwo\rthree\r/quit\r");
    assert.equal((await cli.result()).code, 0);
    assert.deepEqual(
      server.turns.map(({ message }) => message),
      ["one", "two", "three"],
    );
  });

  test("--session that is not there is told before anything is asked", async (t) => {
    const server = await startFakeServer(t, {});
    const args = ["chat", "--url", server.url, "--session", "nope"];
    const cli = startCli(t, args, { terminal: true });
    await cli.until(/SESSION_NOT_FOUND/);
    assert.equal((await cli.result()).code, 1);
  });
});
