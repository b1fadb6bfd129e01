import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { classifyError, TurnError } from "../../../src/client/client.ts";
import { sumOf } from "../../support/app.ts";
import { createKeyRing, startAuthApp, untilStatus } from "../../support/auth.ts";
import { clientLanes, openClient } from "../../support/client-lanes.ts";
import { createTestKey } from "../../support/keys.ts";
import { assertGapless, modelCalls, words } from "../../support/turn-checks.ts";
import { assertError, failureOf } from "../../support/wire.ts";

const bad = createTestKey().text;

for (const lane of clientLanes) {
  test(`a call with a bad token is made once more, with the next, and no more (${lane.name})`, async (t) => {
    const app = await startAuthApp(t);
    const calls = async () => sumOf(await app.metrics(), "chatwire_rpc_started_total");
    const outcome = async (...tokens: (string | undefined)[]) => {
      const before = await calls();
      const getToken = () => (tokens.length > 1 ? tokens.shift() : tokens[0]);
      const client = openClient(app, lane, { getToken });
      const error = await client.listSessions().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (error) assert.equal(classifyError(error), "denied");
      return { failed: error !== undefined, calls: (await calls()) - before };
    };
    assert.deepEqual(await outcome(app.alice.text), { failed: false, calls: 1 });
    assert.deepEqual(await outcome(bad, app.alice.text), { failed: false, calls: 2 });
    assert.deepEqual(await outcome(bad), { failed: true, calls: 2 });
    const before = await calls();
    const error = await failureOf(openClient(app, lane).listSessions());
    assertError(error, Code.Unauthenticated, "UNAUTHENTICATED");
    assert.equal((await calls()) - before, 1, "without getToken nothing else can be shown");
  });

  test(`a turn and a watch go on with the next token (${lane.name})`, async (t) => {
    const keys = createKeyRing(t);
    const next = keys.create({ principal: "alice" });
    const app = await startAuthApp(t, {}, keys);
    let token = app.alice.text;
    const client = openClient(app, lane, { getToken: () => token });
    const turn = client.send("Go on", { modelId: "scripted:100x20" });
    const events = [];
    for await (const event of turn.events) {
      events.push(event);
      if (event.chunkNumber !== 5) continue;
      token = next.text;
      app.keys.revoke(app.alice);
    }
    const { text, failure, sessionId } = await turn.result();
    assert.deepEqual([text, failure], [words(100), undefined]);
    assertGapless(events);
    assert.equal((await app.metrics()).get(modelCalls), 1);
    await untilStatus(app, app.alice, 401);
    const watched = [];
    for await (const item of client.session(sessionId).watch({ untilIdle: true })) {
      if (item.type === "event" && item.event.sequence > 0n) watched.push(item.event);
    }
    assertGapless(watched);
  });

  test(`a turn whose token ends without another is given up, and says why (${lane.name})`, async (t) => {
    const app = await startAuthApp(t, { env: { DISCONNECT_GRACE_MS: "1" } });
    const client = openClient(app, lane, { getToken: () => app.alice.text });
    const turn = client.send("Go on", { modelId: "scripted:1000x20" });
    const read = async () => {
      for await (const { chunkNumber } of turn.events) {
        if (chunkNumber === 5) app.keys.revoke(app.alice);
      }
    };
    await assert.rejects(read(), (error) => {
      assert.ok(error instanceof TurnError);
      assert.equal(error.outcome, "unknown");
      assertError(error.cause, Code.Unauthenticated, "UNAUTHENTICATED");
      return classifyError(error.cause) === "denied";
    });
  });
}
