import assert from "node:assert/strict";
import { test } from "node:test";
import { startApp } from "../../support/app.ts";
import { connectLane, lanes } from "../../support/lanes.ts";
import { nginx } from "../../support/nginx.ts";
import { departFrom, testBehindProxy, testProgramsBehind } from "./proxy-suite.ts";

testBehindProxy(nginx);
testProgramsBehind(nginx);

const { missing: skip } = nginx;

test("nginx makes a lost connection of a reset, whatever TRUST_STREAM_RESET says", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const proxy = await nginx.start(t, app);
  const sessionId = await departFrom(app, proxy, "reset");
  assert.equal(app.app.engine.runningTurns(), 1);
  const [lane] = lanes;
  assert.ok(lane);
  await connectLane(app, lane).chat.cancelTurn({ sessionId });
});
