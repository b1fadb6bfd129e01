import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrowserContext } from "playwright-core";
import { startAuthApp } from "../support/auth.ts";
import { messageField, openBrowser, replies, say, skip } from "./browser.ts";

/** As Chromium does for somebody who has forbidden sites to keep anything: to look at a storage throws. */
async function denyStorage(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(globalThis, name, {
        get() {
          throw new DOMException(`Failed to read the '${name}' property`, "SecurityError");
        },
      });
    }
  });
}

test("a browser that keeps nothing for the page still talks, signs in and signs out", {
  skip,
}, async (t) => {
  const app = await startAuthApp(t);
  const browser = await openBrowser(t, app, { expectErrors: /401|Failed to load resource/ });
  await denyStorage(browser.context);
  const page = await browser.open();
  await assert.rejects(page.evaluate("localStorage"), /SecurityError|Failed to read/);
  await page.getByLabel("API key or token").fill(app.alice.text);
  await page.keyboard.press("Enter");
  await say(page, "Hello");
  await replies(page).waitFor();
  await messageField(page).fill("A draft");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key or token").waitFor();
});
