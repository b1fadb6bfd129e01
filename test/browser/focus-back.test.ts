import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { startApp } from "../support/app.ts";
import { createSession, messageField, openBrowser, skip, untilReply } from "./browser.ts";

/** Waits until what has the focus has this name. */
async function untilFocused(page: Page, name: string): Promise<void> {
  await page.waitForFunction((expected) => {
    const element = document.activeElement;
    return (element?.getAttribute("aria-label") ?? element?.textContent) === expected;
  }, name);
}

test("the focus comes back after a rename, a deletion that is undone and an edit", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const modelId = "scripted:say";
  await createSession(app, { modelId, title: "Other" });
  const sessionId = await createSession(app, { modelId, title: "Open", messages: ["Hello"] });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "Hello");
  await page.getByRole("button", { name: "Rename “Other”" }).focus();
  await page.keyboard.press("Enter");
  await untilFocused(page, "Title");
  await page.keyboard.press("Escape");
  await untilFocused(page, "Rename “Other”");
  await page.keyboard.press("Enter");
  await page.keyboard.type("Another");
  await page.keyboard.press("Enter");
  await untilFocused(page, "Rename “Another”");
  // Who goes on to something else by pointer is there.
  await page.keyboard.press("Enter");
  await untilFocused(page, "Title");
  await messageField(page).click();
  await untilFocused(page, "Message");
  await page.getByRole("button", { name: "Delete “Another”" }).focus();
  await page.keyboard.press("Enter");
  await untilFocused(page, "Undo");
  await page.keyboard.press("Enter");
  await untilFocused(page, "Another");
  await page.getByRole("button", { name: "Edit and send again" }).focus();
  await page.keyboard.press("Enter");
  await untilFocused(page, "Your message");
  await page.keyboard.press("Escape");
  await untilFocused(page, "Edit and send again");
});

test("a notice that goes by itself leaves the focus in the page", { skip }, async (t) => {
  const app = await startApp(t);
  await createSession(app, { modelId: "scripted:say", title: "Other" });
  const browser = await openBrowser(t, app);
  await browser.context.clock.install();
  const page = await browser.open();
  await page.getByRole("button", { name: "Delete “Other”" }).focus();
  await page.keyboard.press("Enter");
  await untilFocused(page, "Undo");
  await page.clock.fastForward(10_000);
  await page.getByRole("button", { name: "Undo" }).waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
});

test("what was changed in a dialog is not lost to a press beside it", { skip }, async (t) => {
  const app = await startApp(t);
  const modelId = "scripted:say";
  const sessionId = await createSession(app, { modelId, messages: ["Hello"] });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "Hello");
  const dialog = page.getByRole("dialog");
  const settings = page.getByRole("button", { name: "Settings of this chat" });
  await settings.click();
  await dialog.waitFor();
  const field = dialog.getByRole("textbox", { name: "Instruction" });
  const box = await field.boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + 20, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(10, 400);
  await page.mouse.up();
  assert.ok(await dialog.isVisible(), "a selection that ends beside it");
  await page.mouse.click(10, 400);
  await dialog.waitFor({ state: "detached" });
  await settings.click();
  await field.fill("Be brief");
  await page.mouse.click(10, 400);
  assert.equal(await field.inputValue(), "Be brief");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await untilFocused(page, "Settings of this chat");
});
