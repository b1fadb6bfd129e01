import assert from "node:assert/strict";
import { test } from "node:test";
import { createTabStream, type PageVisibility } from "../../../web/src/session/tab-stream.ts";

/** A page that the test shows and hides. */
function createPage(): PageVisibility & { show(isShown: boolean): void } {
  let isShown = true;
  const listeners = new Set<() => void>();
  return {
    isVisible: () => isShown,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    show(shown) {
      isShown = shown;
      for (const listener of listeners) listener();
    },
  };
}

/** A reader that reads until it is cut, and counts how many of its kind are open. */
function createReader(counts: { open: number; opened: number }) {
  return async (signal: AbortSignal) => {
    counts.open += 1;
    counts.opened += 1;
    if (!signal.aborted) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
    counts.open -= 1;
  };
}

const settled = () => new Promise(setImmediate);

test("a hidden page has no stream, and one again when it is shown", async () => {
  const page = createPage();
  const counts = { open: 0, opened: 0 };
  const tab = createTabStream(page);
  tab.read(createReader(counts));
  assert.equal(counts.open, 1);
  page.show(false);
  await settled();
  assert.equal(counts.open, 0);
  page.show(true);
  await settled();
  assert.deepEqual(counts, { open: 1, opened: 2 });
  tab.close();
  await settled();
  assert.equal(counts.open, 0);
});

test("who borrows the place has it alone until it is given back", async () => {
  const counts = { open: 0, opened: 0 };
  const tab = createTabStream(createPage());
  tab.read(createReader(counts));
  const giveBack = tab.borrow();
  const giveBackOther = tab.borrow();
  await settled();
  assert.equal(counts.open, 0);
  giveBack();
  giveBack();
  await settled();
  assert.equal(counts.open, 0, "giving back twice is giving back once");
  giveBackOther();
  await settled();
  assert.equal(counts.open, 1);
});

test("a new reader takes the place of the old one, never beside it", async () => {
  const counts = { open: 0, opened: 0 };
  const tab = createTabStream(createPage());
  const leaveFirst = tab.read(createReader(counts));
  const leave = tab.read(createReader(counts));
  leaveFirst();
  await settled();
  assert.equal(counts.open, 1);
  leave();
  await settled();
  assert.equal(counts.open, 0);
});

test("a reader that ends by itself is not started again", async () => {
  const page = createPage();
  let opened = 0;
  const tab = createTabStream(page);
  tab.read(async () => {
    opened += 1;
  });
  await settled();
  page.show(false);
  page.show(true);
  await settled();
  assert.equal(opened, 1);
});
