import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { callJson, startApp } from "../support/app.ts";
import { createSession, openBrowser, skip, untilReply } from "./browser.ts";

const focused = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    return element?.getAttribute("aria-label") ?? element?.textContent ?? "";
  });

/** Presses a key until what has the focus has this name. */
async function pressUntil(page: Page, key: string, name: string): Promise<void> {
  for (let presses = 0; (await focused(page)) !== name; presses += 1) {
    assert.ok(presses < 25, `${name} is reached by ${key}`);
    await page.keyboard.press(key);
  }
}

test("a chat is deleted and brought back by keyboard alone", { skip }, async (t) => {
  const app = await startApp(t);
  await createSession(app, { modelId: "scripted:say", title: "Other" });
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Keep me" });
  const page = await (await openBrowser(t, app)).open();
  const link = page.getByRole("link", { name: "Keep me", exact: true });
  await link.waitFor();
  await page.keyboard.press("Control+k");
  await pressUntil(page, "Tab", "Delete “Keep me”");
  await page.keyboard.press("Enter");
  await link.waitFor({ state: "detached" });
  assert.equal(await focused(page), "Undo");
  await page.keyboard.press("Enter");
  await link.waitFor();
  assert.equal((await callJson(app, "GetSessionInfo", { sessionId })).status, 200);
});

test("a dialog keeps the focus and gives it back, and a message is edited by keyboard", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", messages: ["Helo"] });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "Helo");
  await pressUntil(page, "Shift+Tab", "Settings of this chat");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  for (let presses = 0; presses < 20; presses += 1) {
    await page.keyboard.press("Tab");
    const isBehind = await page.evaluate(
      () =>
        document.activeElement?.closest("dialog, body > :not(#root)") === null &&
        document.activeElement !== document.body,
    );
    assert.equal(isBehind, false);
  }
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await focused(page), "Settings of this chat");
  await pressUntil(page, "Tab", "Edit and send again");
  await page.keyboard.press("Enter");
  await page.keyboard.press("End");
  await page.keyboard.type("llo");
  await page.keyboard.press("Escape");
  await page.getByRole("textbox", { name: "Your message" }).waitFor({ state: "detached" });
  assert.equal(await focused(page), "Edit and send again");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("Hello");
  await page.keyboard.press("Enter");
  await untilReply(page, "Hello");
  assert.equal(await focused(page), "Message");
  await pressUntil(page, "Shift+Tab", "Regenerate");
  await page.keyboard.press("Enter");
  await untilReply(page, "Hello");
  assert.equal(await focused(page), "Message");
});
