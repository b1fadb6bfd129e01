import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { ConnectError } from "@connectrpc/connect";
import { connect } from "../../../src/cli/client.ts";
import type { Interrupts } from "../../../src/cli/interrupts.ts";
import { createScreen } from "../../../src/cli/screen.ts";
import { runTurn, tellOutage } from "../../../src/cli/turn.ts";
import type { RetryPolicy } from "../../../src/client/options.ts";
import { chunk, type Script, startFakeServer } from "./fake-server.ts";

const half: Script = async function* () {
  yield chunk("half");
};

/** Asks `message` with outputs that are read to their end. */
async function ask(
  url: string,
  message: string,
  { retry, interrupts }: { retry?: Partial<RetryPolicy>; interrupts?: Interrupts },
) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const connection = connect(url, "grpc", { retry: { delayMs: 1, delayMsMax: 2, ...retry } });
  const never: Interrupts = { listen: () => () => undefined };
  const screen = createScreen(stdout, stderr);
  const question = { message, sessionId: "", modelId: "" };
  const result = await runTurn(connection, screen, interrupts ?? never, question);
  await connection.close();
  stdout.end();
  stderr.end();
  return { ...result, stdout: await text(stdout), stderr: await text(stderr) };
}

describe("a turn whose end is not heard", { timeout: 30_000 }, () => {
  test("an outage is told once, and a reply in a pipe stays byte for byte", async (t) => {
    const server = await startFakeServer(t, { half });
    const { outcome, stdout, stderr } = await ask(server.url, "half", {
      retry: { turnBudgetMs: 200 },
    });
    assert.deepEqual([outcome, stdout], ["failed", "half\n"]);
    assert.ok(server.turns.length > 2);
    const [outage, failure, ...more] = stderr.trim().split("\n");
    assert.equal(outage, `there is no connection to ${server.url}; trying again`);
    assert.match(failure ?? "", /ended before its time .*; how the turn ended is not known$/);
    assert.deepEqual(more, []);
  });

  test("Ctrl-C while the server takes no turns ends this one before it began", async (t) => {
    const server = await startFakeServer(t, { half }, { drains: true });
    const { interrupts, press } = createKeys();
    const asking = ask(server.url, "half", { interrupts });
    press();
    const { outcome, stdout, stderr } = await asking;
    assert.deepEqual([outcome, stdout], ["cancelled", ""]);
    assert.match(stderr, /cancelled before it began\n$/);
  });

  test("a second Ctrl-C leaves at once, where nothing listens too", async () => {
    const { interrupts, press } = createKeys();
    const asking = ask("http://127.0.0.1:1", "hi", { interrupts });
    press();
    press();
    const { outcome, stdout } = await asking;
    assert.deepEqual([outcome, stdout], ["left", ""]);
  });
});

test("an outage that the first new attempt mends is not told; a longer one is, and its end", () => {
  const told: string[] = [];
  const onConnection = tellOutage({ aside: async (text) => void told.push(text) }, "http://a");
  const lost = {
    state: "lost",
    endpoint: "a",
    error: new ConnectError("cut"),
    retryInMs: 1,
  } as const;
  const live = { state: "live", endpoint: "a" } as const;
  for (const change of [live, lost, live, lost, lost, lost, live]) onConnection(change);
  assert.deepEqual(told, [
    "there is no connection to http://a; trying again",
    "connected to http://a again",
  ]);
});

/** A Ctrl-C key for the turn that listens. */
function createKeys(): { interrupts: Interrupts; press(): void } {
  let handler: (() => void) | undefined;
  return {
    interrupts: {
      listen(listener) {
        handler = listener;
        return () => {
          handler = undefined;
        };
      },
    },
    press() {
      assert.ok(handler, "nobody listens");
      handler();
    },
  };
}
