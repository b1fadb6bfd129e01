import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { fromJson } from "@bufbuild/protobuf";
import { ChatResponseSchema, OnDisconnect } from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import { startAuthApp } from "../support/auth.ts";
import { startRelay } from "../support/tcp-relay.ts";
import { assertGapless, words } from "../support/turn-checks.ts";
import { runInProcess, startCommand } from "../unit/cli/run-command.ts";
import { openClientOf } from "./terminal-talk.ts";

const objects = (ndjson: string) =>
  ndjson
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

describe("commands that ask the server", { timeout: 60_000 }, () => {
  test("sessions lists and finds, for people and as NDJSON", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    await client.createSession({ title: "First" });
    const { sessionId } = await client.createSession({ title: "Seco\u001b[31mnd\u009b" });
    const run = (...args: string[]) => runInProcess(t, ["sessions", "--url", app.url, ...args]);
    const { code, stdout } = await run();
    assert.equal(code, 0);
    assert.match(stdout, /^ID +CHANGED +MESSAGES +MODEL +NAME\n\S+ +\S+ +0 +eliza +Seco\[31mnd\n/);
    const all = objects((await run("--json")).stdout);
    assert.deepEqual(
      all.map(({ title, messageCount, running }) => [title, messageCount, running]),
      [
        ["Seco\u001b[31mnd\u009b", 0, false],
        ["First", 0, false],
      ],
    );
    const one = await run("--json", "--limit", "1");
    assert.deepEqual(objects(one.stdout)[0].sessionId, sessionId);
    assert.doesNotMatch(one.stdout, /(?!\n)\p{Cc}/u);
    assert.equal(objects((await run("--json", "first")).stdout).length, 1);
    assert.equal((await run("--limit", "0")).code, 2);
  });

  test("sessions reads as many pages as it needs", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const made = Array.from({ length: 205 }, (_, n) => client.createSession({ title: `s${n}` }));
    await Promise.all(made);
    const args = ["sessions", "--url", app.url, "--json", "--limit", "300"];
    const listed = objects((await runInProcess(t, args)).stdout);
    assert.equal(new Set(listed.map(({ sessionId }) => sessionId)).size, 205);
  });

  test("models, stats and health tell the same to people and to programs", async (t) => {
    const app = await startApp(t);
    const run = async (name: string, ...args: string[]) => {
      const { code, stdout, stderr } = await runInProcess(t, [name, "--url", app.url, ...args]);
      assert.deepEqual([code, stderr], [0, ""]);
      return stdout;
    };
    assert.match(await run("models"), /^MODEL +NAME[\s\S]*\neliza \(default\) /);
    const [first] = objects(await run("models", "--json"));
    assert.deepEqual([first.modelId, first.isDefault], ["eliza", true]);
    assert.match(await run("stats"), /^server +chatwire[\s\S]*\nrequests +0 ok/);
    const [stats] = objects(await run("stats", "--json"));
    assert.deepEqual([stats.totalRequests, stats.runningTurns], [0, 0]);
    assert.match(await run("health"), /chatwire \S+, eliza, storage in/);
    const [health] = objects(await run("health", "--json"));
    assert.deepEqual([health.healthy, health.model], [true, "eliza"]);
  });
});

describe("exit codes", { timeout: 60_000 }, () => {
  test("3 where no server answers, 4 where there is no session, 2 where the command line is wrong", async (t) => {
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as { port: number };
    free.close();
    await once(free, "close");
    const nowhere = `http://127.0.0.1:${port}`;
    for (const name of ["chat", "health"]) {
      const args = name === "chat" ? ["chat", "hi"] : [name];
      const { code, stderr } = await runInProcess(t, [...args, "--url", nowhere]);
      assert.equal(code, 3, name);
      assert.match(stderr, /nothing listens/);
    }
    const app = await startApp(t);
    for (const args of [
      ["watch", "nope"],
      ["chat", "hi", "--session", "nope"],
    ]) {
      const { code, stderr } = await runInProcess(t, [...args, "--url", app.url]);
      assert.equal(code, 4, args.join(" "));
      assert.match(stderr, /SESSION_NOT_FOUND/);
    }
    for (const args of [
      ["watch"],
      ["watch", "x", "--after", "-1"],
      ["models", "x"],
      ["stats", "--nope"],
    ]) {
      assert.equal((await runInProcess(t, args)).code, 2, args.join(" "));
    }
  });

  test("5 where the key is missing or refused, by every command", async (t) => {
    const app = await startAuthApp(t);
    for (const args of [["sessions"], ["models"], ["stats"], ["watch", "x"], ["chat", "hi"]]) {
      const { code, stdout } = await runInProcess(t, [...args, "--url", app.url]);
      assert.deepEqual([code, stdout], [5, ""], args.join(" "));
    }
    const env = { CHATWIRE_API_KEY: app.alice.text };
    for (const args of [["sessions"], ["models"], ["chat", "hi"]]) {
      assert.equal((await runInProcess(t, [...args, "--url", app.url], "", { env })).code, 0);
    }
  });

  test("1 where the reply failed, 0 where it is there, 130 where it was stopped", async (t) => {
    const app = await startApp(t);
    const ask = (model: string) => ["chat", "hi", "--url", app.url, "--model", model];
    assert.equal((await runInProcess(t, ask("scripted:3x0"))).code, 0);
    assert.equal((await runInProcess(t, ask("scripted:3x0!unavailable@2"))).code, 1);
    const stopped = startCommand(t, ask("scripted:1000x20"));
    stopped.stdin.end();
    await stopped.until(/w2 /);
    stopped.interrupt();
    assert.equal((await stopped.result()).code, 130);
  });
});

describe("chatwire chat --json and chatwire watch", { timeout: 60_000 }, () => {
  test("chat --json prints every event of the turn, once, across a cut", async (t) => {
    const app = await startApp(t);
    const relay = await startRelay(app);
    const args = ["chat", "hi", "--json", "--url", relay.app.url, "--model", "scripted:60x20"];
    const command = startCommand(t, args);
    command.stdin.end();
    await command.until(/"w5 "/);
    relay.cut();
    const { code, stdout } = await command.result();
    assert.equal(code, 0);
    const events = objects(stdout).map((each) => fromJson(ChatResponseSchema, each));
    assertGapless(events);
    assert.equal(events.map(({ chunkText }) => chunkText).join(""), words(60));
  });

  test("watch shows what happens from now on, as words or events, until Ctrl-C", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const { sessionId } = await client.createSession({ modelId: "scripted:2x0" });
    const session = client.session(sessionId);
    await session.send("before").result();
    const args = ["watch", sessionId, "--url", app.url];
    const [people, program] = [startCommand(t, args), startCommand(t, [...args, "--json"])];
    app.defer(people.close);
    app.defer(program.close);
    await people.until(/> before\nw1 w2 \n/);
    for (;;) {
      // Both have begun once each has seen a turn.
      await session.send("now").result();
      if (people.shown().includes("> now") && program.shown().includes("COMPLETE")) break;
    }
    people.interrupt();
    program.interrupt();
    assert.equal((await people.result()).code, 130);
    const { code, stdout } = await program.result();
    assert.equal(code, 130);
    const events = objects(stdout).map((each) => fromJson(ChatResponseSchema, each));
    const recorded = events.filter(({ sequence }) => sequence > 0n);
    assertGapless(recorded, recorded[0]?.sequence);
    assert.ok(!stdout.includes("before"));
  });

  test("watch --replay begins with the first event and ends; --after begins behind one", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const turn = client.send("hi", { modelId: "scripted:2x0" });
    await turn.result();
    const args = ["watch", turn.sessionId, "--url", app.url];
    const replay = await runInProcess(t, [...args, "--replay"]);
    assert.deepEqual(replay, { code: 0, stdout: "> hi\nw1 w2 \n", stderr: "" });
    const rest = await runInProcess(t, [...args, "--after", "3", "--until-idle", "--json"]);
    assert.deepEqual(
      objects(rest.stdout).map(({ sequence }) => sequence),
      ["4", "5"],
    );
  });

  test("watch --replay --cadence takes as long as the model took", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const turn = client.send("hi", { modelId: "scripted:10x30" });
    const { end } = await turn.result();
    const start = performance.now();
    const args = ["watch", turn.sessionId, "--url", app.url, "--replay", "--cadence"];
    const { stdout } = await runInProcess(t, args);
    assert.equal(stdout, `> hi\n${words(10)}\n`);
    const tookMs = performance.now() - start;
    assert.ok(tookMs >= end.elapsedMs - 50, `${tookMs} ms, and the model took ${end.elapsedMs} ms`);
  });

  test("watch ends with the session, and with the reader of its output", async (t) => {
    const app = await startApp(t);
    const client = openClientOf(app);
    const { sessionId } = await client.createSession({ modelId: "scripted:1000x20" });
    const turn = client.session(sessionId).send("hi", { onDisconnect: OnDisconnect.CONTINUE });
    await turn.events.next();
    const args = ["watch", sessionId, "--url", app.url];
    const deleted = startCommand(t, args);
    const left = startCommand(t, args);
    await Promise.all([deleted.until(/w3 /), left.until(/w3 /)]);
    left.stdout.destroy(Object.assign(new Error("gone"), { code: "EPIPE" }));
    assert.equal((await left.result()).code, 0);
    await client.session(sessionId).delete();
    const { code, stderr } = await deleted.result();
    assert.equal(code, 0);
    assert.match(stderr, /the session was deleted/);
  });
});

describe("help", { timeout: 60_000 }, () => {
  test("every client command says what it does, and gives examples", async (t) => {
    for (const name of ["chat", "sessions", "watch", "models", "stats", "health"]) {
      const { code, stdout } = await runInProcess(t, [name, "--help"]);
      assert.equal(code, 0);
      assert.match(stdout, /Usage: chatwire/);
      assert.match(stdout, /\nExamples:\n {2}\S/);
      assert.match(stdout, /--url[\s\S]*--key-file/);
    }
  });
});
