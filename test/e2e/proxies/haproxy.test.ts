import { test } from "node:test";
import { startApp, untilMetrics } from "../../support/app.ts";
import { haproxy } from "../../support/haproxy.ts";
import { modelAborts } from "../../support/turn-checks.ts";
import { departFrom, testBehindProxy, testProgramsBehind } from "./proxy-suite.ts";

testBehindProxy(haproxy);
testProgramsBehind(haproxy);

const { missing: skip } = haproxy;

test("HAProxy makes a reset of a lost connection: why TRUST_STREAM_RESET is 0 there", {
  skip,
}, async (t) => {
  const app = await startApp(t, { env: { TRUST_STREAM_RESET: "1" } });
  const proxy = await haproxy.start(t, app);
  await departFrom(app, proxy, "lost connection");
  await untilMetrics(app, (metrics) => metrics.get(modelAborts) === 1);
});
