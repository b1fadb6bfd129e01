import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startApp } from "../support/app.ts";
import { createModel, createTestProvider, finish, textPart } from "../support/models.ts";
import { restartServer, startServer } from "../support/server-process.ts";
import { modelAborts, modelCalls } from "../support/turn-checks.ts";
import { noTerminal, startInTerminal } from "./terminal-process.ts";
import { keys, openClientOf, pasted } from "./terminal-talk.ts";

describe("chatwire chat in a real terminal", { timeout: 120_000, skip: noTerminal() }, () => {
  test("a server killed in mid reply and started again is survived; nothing is shown twice", async (t) => {
    const server = await startServer(t);
    const url = ["--url", server.url];
    const first = startInTerminal(t, ["chat", ...url, "--model", "scripted:1000x20"]);
    await first.until(/\n> $/);
    first.type("Count\r");
    await first.until(/w5 /);
    server.kill("SIGKILL");
    await server.result();
    await restartServer(t, server);
    const shown = await first.until(/SERVER_STOPPED[\s\S]*\n> $/);
    const [, reply = ""] = /\n(w1 .*)\n/.exec(shown) ?? [];
    const count = reply.trim().split(" ").length;
    assert.deepEqual(
      reply.trim().split(" "),
      Array.from({ length: count }, (_, index) => `w${index + 1}`),
    );
    first.type("/model scripted:2x0\r");
    await first.until(/the next reply is[\s\S]*\n> $/);
    first.type("/continue\r");
    await first.until(/\n> \/continue\nw1 w2 \n> $/);
    first.type(keys.ctrlD);
    assert.equal(await first.result(), 0);
  });

  test("a reply of 10,000 lines is appended, each once, and stays so when the terminal is resized", async (t) => {
    const lines = Array.from({ length: 10_000 }, (_, line) => `line ${line} of a long reply\n`);
    const resized = Promise.withResolvers<void>();
    const model = createModel(async function* () {
      for (let start = 0; start < lines.length; start += 50) {
        if (start === 5_000) await resized.promise;
        yield textPart(lines.slice(start, start + 50).join(""));
      }
      yield finish;
    });
    const app = await startApp(t, { overrides: { providers: [createTestProvider(model)] } });
    const args = ["chat", "Go on", "--url", app.url, "--model", "test"];
    const terminal = startInTerminal(t, args);
    await terminal.until(/line 4999 of/);
    for (const columns of [20, 132, 40]) terminal.resize(columns);
    resized.resolve();
    assert.equal(await terminal.result(), 0);
    const [reply, rest] = terminal.screen().split("to go on: ");
    assert.equal(reply, lines.join(""));
    assert.match(rest ?? "", /^chatwire chat --session \S+\s*$/);
    const moves = new RegExp(`${"\u001b"}\\[[\\d;]*[^\\d;m]`);
    assert.doesNotMatch(terminal.shown(), moves, "copied text is the reply");
  });

  test("the line that is edited survives a resize, and what comes in the meantime", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const { sessionId } = await client.createSession({ modelId: "scripted:say" });
    const terminal = startInTerminal(t, ["chat", "--url", app.url, "--session", sessionId]);
    await terminal.until(/\n> $/);
    terminal.type("half a line");
    await terminal.until(/> half a line$/);
    terminal.resize(40);
    await client.session(sessionId).send("from elsewhere").result();
    await terminal.until(/> from elsewhere\nfrom elsewhere\n> half a line$/);
    terminal.type(` and ${pasted("pasted\nlines")}\r`);
    await terminal.until(/\nhalf a line and pasted\nlines\n> $/);
    terminal.type("/quit\r");
    assert.equal(await terminal.result(), 0);
    assert.ok(terminal.shown().endsWith("\u001b[?2004l"));
  });

  test("Ctrl-C stops one question's reply on the server, and leaves 130", async (t) => {
    const app = await startApp(t);
    const args = ["chat", "Count", "--url", app.url, "--model", "scripted:1000x20"];
    const terminal = startInTerminal(t, args);
    await terminal.until(/w5 /);
    terminal.type(keys.ctrlC);
    await terminal.until(/cancelled; what had arrived is kept/);
    assert.equal(await terminal.result(), 130);
    const metrics = await app.metrics();
    assert.deepEqual([metrics.get(modelCalls), metrics.get(modelAborts)], [1, 1]);
  });
});
