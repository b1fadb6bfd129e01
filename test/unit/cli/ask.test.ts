import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { protocols } from "../../../src/cli/protocol.ts";
import { FinishReason } from "../../../src/gen/chat/chat_pb.ts";
import {
  chunk,
  complete,
  failure,
  type Script,
  startFakeServer,
  thought,
  untilCancelled,
  untilSentAgain,
} from "./fake-server.ts";
import { runInProcess, startCommand } from "./run-command.ts";

const timeout = 30_000;

const hello: Script = async function* () {
  yield thought("hm");
  yield chunk("Hel");
  yield chunk("lo\r\n\t\u001b[1mthere \u{1f469}\u200d\u{1f680}");
  yield complete();
};
const helloText = "Hello\r\n\t\u001b[1mthere \u{1f469}\u200d\u{1f680}\n";

/** A script that says what it was asked. */
const say = (text: string): Script =>
  async function* () {
    yield chunk(text);
    yield complete();
  };

describe("one question", { timeout }, () => {
  for (const protocol of protocols) {
    test(`over ${protocol}, the reply goes into a pipe byte for byte, without thoughts`, async (t) => {
      const httpVersion = protocol === "grpc" ? "2" : "1.1";
      const server = await startFakeServer(t, { hello }, { httpVersion });
      const args = ["chat", "hello", "--url", server.url, "--protocol", protocol];
      assert.deepEqual(await runInProcess(t, args), { code: 0, stdout: helloText, stderr: "" });
    });

    test(`over ${protocol}, SIGINT cancels the turn by CancelTurn and keeps what came`, async (t) => {
      const httpVersion = protocol === "grpc" ? "2" : "1.1";
      const server = await startFakeServer(t, { wait: untilCancelled }, { httpVersion });
      const cli = startCommand(t, ["chat", "wait", "--url", server.url, "--protocol", protocol]);
      cli.stdin.end();
      await cli.until(/two /);
      cli.interrupt();
      const { code, stdout, stderr } = await cli.result();
      assert.equal(code, 130);
      assert.equal(stdout, "one two \n");
      assert.match(stderr, /cancelled/);
      assert.deepEqual(
        server.cancels.map(({ sessionId, turnId }) => [sessionId, turnId]),
        [["session-1", "turn-1"]],
      );
      assert.equal(server.lost(), 0);
    });
  }

  for (const protocol of protocols) {
    test(`over ${protocol}, a reply goes on after its connection was cut, and nothing comes twice`, async (t) => {
      const httpVersion = protocol === "grpc" ? "2" : "1.1";
      const server = await startFakeServer(t, { hold: untilSentAgain }, { httpVersion });
      const cli = startCommand(t, ["chat", "hold", "--url", server.url, "--protocol", protocol]);
      cli.stdin.end();
      await cli.until(/two /);
      server.cut();
      assert.deepEqual(await cli.result(), { code: 0, stdout: "one two three\n", stderr: "" });
      const [first, again] = server.turns;
      assert.equal(first?.requestId, again?.requestId);
      assert.deepEqual([server.turns.length, again?.afterSequence], [2, 3n]);
    });
  }

  test("the session, the model and several words reach the server", async (t) => {
    const server = await startFakeServer(t, { "what now?": say("ok\n") });
    const options = ["--url", server.url, "--session", "s1", "--model", "m1"];
    const { stdout } = await runInProcess(t, ["chat", ...options, "what", "now?"]);
    assert.equal(stdout, "ok\n");
    const [request] = server.turns;
    assert.deepEqual([request?.sessionId, request?.modelId], ["s1", "m1"]);
  });

  test("CHATWIRE_URL says where the server is", async (t) => {
    const server = await startFakeServer(t, { hi: say("there") });
    const { stdout } = await runInProcess(t, ["chat", "hi"], "", {
      env: { CHATWIRE_URL: server.url },
    });
    assert.equal(stdout, "there\n");
  });

  test("piped text is the question, or is added to the one that is given", async (t) => {
    const server = await startFakeServer(t, { "a\n b": say("1"), "sum up\n\na\n b": say("2") });
    const args = ["chat", "--url", server.url];
    assert.equal((await runInProcess(t, args, "a\n b\n")).stdout, "1\n");
    assert.equal((await runInProcess(t, [...args, "sum up"], "a\n b\n")).stdout, "2\n");
  });

  test("an empty pipe, bytes that are no text, and too much of it are usage errors", async (t) => {
    const server = await startFakeServer(t, {});
    const args = ["chat", "--url", server.url];
    for (const [input, words] of [
      ["\n", /no question/],
      [Uint8Array.of(0xff, 0xfe), /not UTF-8/],
      ["x".repeat(2 ** 20 + 1), /longer than a message may be \(1MiB\)/],
    ] as const) {
      const { code, stderr } = await runInProcess(t, args, input);
      assert.equal(code, 2);
      assert.match(stderr, words);
    }
    assert.equal(server.turns.length, 0);
  });

  test("nothing but the question is sent when the reader of the pipe has gone", async (t) => {
    const server = await startFakeServer(t, { wait: endless });
    const cli = startCommand(t, ["chat", "wait", "--url", server.url]);
    cli.stdin.end();
    await cli.until(/more/);
    cli.stdout.destroy(Object.assign(new Error("gone"), { code: "EPIPE" }));
    const { code, stderr } = await cli.result();
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal(server.cancels.length, 1);
  });
});

const endless: Script = async function* ({ cancelled }) {
  let stopped = false;
  void cancelled.then(() => {
    stopped = true;
  });
  while (!stopped) {
    yield chunk("more\n");
    await new Promise(setImmediate);
  }
};

describe("a turn that does not end well", { timeout }, () => {
  test("a failed turn keeps what came, and tells message, reason and wait once", async (t) => {
    const script: Script = async function* () {
      yield chunk("half");
      yield failure("MODEL_OVERLOADED", "the model has too much to do");
      throw new Error("the status after the event");
    };
    const server = await startFakeServer(t, { script });
    assert.deepEqual(await runInProcess(t, ["chat", "script", "--url", server.url]), {
      code: 1,
      stdout: "half\n",
      stderr: "the model has too much to do (MODEL_OVERLOADED); trying again in 2 s may help\n",
    });
  });

  test("a refused turn is told with its reason", async (t) => {
    const server = await startFakeServer(t, {});
    const { code, stdout, stderr } = await runInProcess(t, ["chat", "hi", "--url", server.url]);
    assert.deepEqual([code, stdout], [4, ""]);
    assert.match(stderr, /no such session \(SESSION_NOT_FOUND\)/);
  });

  test("a server that falls silent for 2.5 heartbeats is asked for the rest", async (t) => {
    const server = await startFakeServer(t, { hold: untilSentAgain }, { heartbeatMs: 40 });
    const { code, stdout } = await runInProcess(t, ["chat", "hold", "--url", server.url]);
    assert.deepEqual([code, stdout], [0, "one two three\n"]);
    assert.ok(server.turns.length > 1);
  });

  test("a blocked reply fails, and one cut by its token limit does not", async (t) => {
    const end = (reason: FinishReason): Script =>
      async function* () {
        yield complete(reason);
      };
    const blocked = end(FinishReason.SAFETY);
    const cut = end(FinishReason.MAX_TOKENS);
    const server = await startFakeServer(t, { blocked, cut });
    const first = await runInProcess(t, ["chat", "blocked", "--url", server.url]);
    assert.deepEqual([first.code, /SAFETY/.test(first.stderr)], [1, true]);
    const second = await runInProcess(t, ["chat", "cut", "--url", server.url]);
    assert.deepEqual([second.code, /MAX_TOKENS/.test(second.stderr)], [0, true]);
  });
});

describe("one question in a terminal", { timeout }, () => {
  test("control characters do not reach the terminal, and thoughts are dimmed", async (t) => {
    const server = await startFakeServer(t, { hello });
    const options = { terminal: true, env: { NO_COLOR: "" } };
    const { code, stdout } = await runInProcess(
      t,
      ["chat", "hello", "--url", server.url],
      "",
      options,
    );
    assert.equal(code, 0);
    assert.ok(!stdout.includes("\u001b[1m") && stdout.includes("[1mthere"), JSON.stringify(stdout));
    assert.ok(stdout.includes("\u001b[2m(thinking) hm\u001b[22m"), JSON.stringify(stdout));
  });

  test("NO_COLOR leaves no escape sequence at all", async (t) => {
    const server = await startFakeServer(t, { hello });
    const options = { terminal: true, env: { NO_COLOR: "1" } };
    const { stdout } = await runInProcess(t, ["chat", "hello", "--url", server.url], "", options);
    assert.ok(!stdout.includes("\u001b"), JSON.stringify(stdout));
    assert.match(stdout, /\(thinking\) hm\nHello\n/);
  });

  test("SIGINT cancels the turn", async (t) => {
    const server = await startFakeServer(t, { wait: untilCancelled });
    const cli = startCommand(t, ["chat", "wait", "--url", server.url], { terminal: true });
    await cli.until(/two /);
    cli.interrupt();
    await cli.until(/cancelled; what had arrived is kept/);
    assert.equal((await cli.result()).code, 130);
    assert.equal(server.cancels.length, 1);
  });
});
