import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ChatClient } from "../../src/client/client.ts";
import type { SessionItem } from "../../src/client/session-item.ts";
import { type ChatResponse, FinishReason } from "../../src/gen/chat/chat_pb.ts";
import { type ClientLane, clientLanes, openClient } from "../support/client-lanes.ts";
import { restartServer, type ServerProcess, startServer } from "../support/server-process.ts";
import { assertGapless, words } from "../support/turn-checks.ts";

const timeout = 60_000;

type Context = { t: TestContext; server: ServerProcess; client: ChatClient };

/** Runs a behaviour by each lane, with the server as a process of its own on a file of its own. */
function overProcesses(
  behaviour: string,
  env: Record<string, string>,
  check: (context: Context) => Promise<void>,
): void {
  for (const lane of clientLanes) {
    test(`${behaviour} (${lane.name})`, { timeout }, (t) => run(t, lane, env, check));
  }
}

async function run(
  t: TestContext,
  lane: ClientLane,
  env: Record<string, string>,
  check: (context: Context) => Promise<void>,
): Promise<void> {
  const server = await startServer(t, { env });
  await check({ t, server, client: openClient(server, lane) });
}

/** Reads recorded events until one fits. */
async function readUntil(
  watch: AsyncIterator<SessionItem>,
  fits: (event: ChatResponse) => boolean,
): Promise<ChatResponse[]> {
  const events: ChatResponse[] = [];
  for (;;) {
    const { value, done } = await watch.next();
    assert.notEqual(done, true, "the watch ended");
    assert.notEqual(value.type, "reload");
    if (value.type !== "event" || value.event.sequence === 0n) continue;
    events.push(value.event);
    if (fits(value.event)) return events;
  }
}

overProcesses("kill -9 in mid reply: one end, and what waited runs", {}, async (c) => {
  const { t, server, client } = c;
  const { sessionId } = await client.createSession({ modelId: "scripted:1000x20" });
  const session = client.session(sessionId);
  const watch = session.watch();
  const watching = readUntil(watch, ({ isFinal, finishReason }) => {
    return isFinal && finishReason === FinishReason.STOP;
  });
  const running = session.send("one");
  const seen: ChatResponse[] = [];
  let waiting: ReturnType<typeof session.send> | undefined;
  for await (const event of running.events) {
    seen.push(event);
    if (event.chunkNumber === 3) {
      waiting = session.send("two", { modelId: "scripted:5x1" });
      await waiting.events.next();
      server.kill("SIGKILL");
      await server.result();
      await restartServer(t, server);
    }
  }
  const { finishReason, failure, text } = await running.result();
  assert.deepEqual(
    [finishReason, failure?.reason, failure?.retryable],
    [FinishReason.INTERRUPTED, "SERVER_STOPPED", true],
  );
  assert.ok(words(1_000).startsWith(text) && text.length > 0);
  assert.ok(waiting);
  for await (const _ of waiting.events);
  assert.equal((await waiting.result()).text, words(5));

  const log = await watching;
  assertGapless(log);
  assert.deepEqual(
    log.filter(({ turnId }) => turnId === running.turnId),
    seen,
  );
  await watch.return?.();
});

const drainEnv = { DRAIN_TIMEOUT_MS: "300" };

overProcesses("a drain and a restart lose nothing", drainEnv, async (c) => {
  const { t, server, client } = c;
  const { sessionId } = await client.createSession({ modelId: "scripted:1000x20" });
  const session = client.session(sessionId);
  const watch = session.watch();
  const running = session.send("one");
  const first = await readUntil(watch, ({ chunkNumber }) => chunkNumber === 3);
  server.kill("SIGTERM");
  await server.until(/SIGTERM: finishing/);
  const later = session.send("two", { modelId: "scripted:5x1" });
  const { finishReason, failure } = await running.result();
  assert.equal(finishReason, FinishReason.INTERRUPTED);
  // The contract has both reasons for a turn that a drain ended.
  assert.match(failure?.reason ?? "", /^SERVER_(STOPPED|DRAINING)$/);
  assert.equal((await server.result()).code, 0);
  await restartServer(t, server);
  assert.equal((await later.result()).text, words(5));
  const rest = await readUntil(watch, ({ isFinal, turnId }) => isFinal && turnId === later.turnId);
  assertGapless([...first, ...rest]);
  await watch.return?.();
});

const memoryEnv = { DATABASE_URL: "memory:" };

overProcesses("a turn that the server has forgotten is not begun again", memoryEnv, async (c) => {
  const { t, server, client } = c;
  const turn = client.send("one", { modelId: "scripted:1000x20" });
  const reading = (async () => {
    for await (const event of turn.events) {
      if (event.chunkNumber !== 3) continue;
      server.kill("SIGKILL");
      await server.result();
      await restartServer(t, server);
    }
  })();
  await assert.rejects(reading, { name: "TurnError", outcome: "unknown" });
  assert.deepEqual((await client.listSessions()).sessions, []);
});
