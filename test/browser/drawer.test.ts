import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { startApp } from "../support/app.ts";
import { createSession, openBrowser, skip, untilReply } from "./browser.ts";

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } as const;

const focused = (page: Page) =>
  page.evaluate(() => {
    const { activeElement } = document;
    const label = activeElement?.getAttribute("aria-label") ?? activeElement?.textContent ?? "";
    return { label, isBehind: activeElement?.closest("main, .skip-link") !== null };
  });

async function untilFocused(page: Page, name: string): Promise<void> {
  await page.waitForFunction(
    (expected) => document.activeElement?.getAttribute("aria-label") === expected,
    name,
  );
}

test("the drawer has the focus while it is open, and gives it back", { skip }, async (t) => {
  const app = await startApp(t);
  const modelId = "scripted:say";
  const sessionId = await createSession(app, { modelId, title: "Open", messages: ["Hello"] });
  const page = await (await openBrowser(t, app, phone)).open(`/s/${sessionId}`);
  await untilReply(page, "Hello");
  await page.getByRole("button", { name: "Open the list of chats" }).tap();
  await untilFocused(page, "Close the list of chats");
  for (let presses = 0; presses < 12; presses += 1) {
    await page.keyboard.press("Tab");
    const { label, isBehind } = await focused(page);
    assert.ok(!isBehind, `${label} is behind the drawer`);
  }
  await page.getByRole("searchbox").focus();
  await page.keyboard.press("Escape");
  await untilFocused(page, "Open the list of chats");
  await page.keyboard.press("Control+k");
  await untilFocused(page, "Search in chats");
  await page.keyboard.press("Escape");
  await untilFocused(page, "Open the list of chats");
});

test("on a touch screen every chat of the list can be renamed, forked and deleted", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  await createSession(app, { modelId: "scripted:say", title: "Other" });
  const page = await (await openBrowser(t, app, phone)).open();
  await page.getByRole("button", { name: "Open the list of chats" }).tap();
  for (const name of ["Rename “Other”", "Fork “Other”", "Delete “Other”"]) {
    const button = page.getByRole("button", { name });
    await button.waitFor();
    await page.waitForFunction((label) => {
      const each = document.querySelector(`[aria-label="${label}"]`);
      const { x = 0, y = 0, width = 0, height = 0 } = each?.getBoundingClientRect() ?? {};
      const isOnTop = document.elementFromPoint(x + width / 2, y + height / 2)?.closest("button");
      const actions = each?.parentElement;
      return isOnTop === each && actions && getComputedStyle(actions).opacity === "1";
    }, name);
  }
});
