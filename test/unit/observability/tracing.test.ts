import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { openTracing } from "../../../src/observability/tracing.ts";
import { useFakeCollector } from "../../support/fake-collector.ts";
import { until } from "../../support/listener.ts";

/** As many spans as leave at once, without waiting for more. */
const batch = 512;

async function open(t: TestContext) {
  const collector = await useFakeCollector(t);
  const failures: Error[] = [];
  const tracing = await openTracing({
    endpoint: `${collector.url}/`,
    onFailure: (error) => failures.push(error),
  });
  t.after(() => tracing.close());
  /** Ends a batch of spans and waits until the collector has answered it. */
  const sendBatch = async () => {
    const answered = collector.answered() + 1;
    for (let i = 0; i < batch; i += 1) tracing.tracer.startSpan("span").end();
    await until(() => collector.answered() >= answered);
  };
  return { collector, failures, sendBatch, tracing };
}

test("a collector that refuses spans is told of once, and again when it has taken some", async (t) => {
  const { collector, failures, sendBatch } = await open(t);
  collector.answer(400);
  await sendBatch();
  await sendBatch();
  await until(() => failures.length === 1);
  collector.answer(200);
  await sendBatch();
  assert.equal(collector.spans.length, batch);
  assert.equal(failures.length, 1);
  collector.answer(400);
  await sendBatch();
  await until(() => failures.length === 2);
});

test("what is left is sent at the end", async (t) => {
  const { collector, tracing } = await open(t);
  tracing.tracer.startSpan("last").end();
  await tracing.close();
  assert.deepEqual(
    collector.spans.map(({ name }) => name),
    ["last"],
  );
});
