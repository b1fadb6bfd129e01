import assert from "node:assert/strict";
import { test } from "node:test";
import { wakeWithPage } from "../../../src/client/web.ts";

test("a client wakes when its page is shown, comes back or is online, until that is undone", () => {
  let wakes = 0;
  const client = {
    wake() {
      wakes += 1;
    },
  };
  const document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  const page = Object.assign(new EventTarget(), { document });
  const stop = wakeWithPage(client, page);
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(wakes, 0);
  document.visibilityState = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  page.dispatchEvent(new Event("online"));
  page.dispatchEvent(new Event("pageshow"));
  assert.equal(wakes, 3);
  stop();
  document.dispatchEvent(new Event("visibilitychange"));
  page.dispatchEvent(new Event("online"));
  assert.equal(wakes, 3);
});

test("a worker has no document, and a runtime may have no events", () => {
  wakeWithPage({ wake: () => assert.fail() }, {})();
});
