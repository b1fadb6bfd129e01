import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { request, startApp } from "../support/app.ts";

/** A context whose `after` steps run when the test says so. */
function createContext() {
  const steps: (() => unknown)[] = [];
  const after = (step: () => unknown) => void steps.push(step);
  const end = async () => {
    for (const step of steps.splice(0)) await step();
  };
  return { context: { after } as unknown as TestContext, end };
}

test("a server is closed after its test, also when a check of what is left fails", async () => {
  const { context, end } = createContext();
  const app = await startApp(context);
  const broken = new Error("a client that cannot be closed");
  let others = 0;
  app.defer(() => {
    others += 1;
  });
  app.defer(() => Promise.reject(broken));
  await assert.rejects(end(), broken);
  assert.equal(others, 1, "the other clients are closed");
  await assert.rejects(request(app, { path: "/readyz" }), { code: "ECONNREFUSED" });
});
