import assert from "node:assert/strict";
import { test } from "node:test";
import { startApp } from "../support/app.ts";
import { openBrowser, skip } from "./browser.ts";

test("/status says at once that the server is not heard, and for how long", { skip }, async (t) => {
  const app = await startApp(t, { expectErrors: /./ });
  const browser = await openBrowser(t, app, { expectErrors: /ERR_|Failed to load/ });
  await browser.context.clock.install();
  const page = await browser.open("/status");
  await page.getByText(/^Up for/).waitFor();
  await browser.context.setOffline(true);
  await page.clock.fastForward(2_500);
  await page.getByText(/^Not heard for \d+ s\. /).waitFor();
  assert.equal(await page.locator(".status-line").getAttribute("data-tone"), "error");
  await browser.context.setOffline(false);
  await page.clock.fastForward(2_500);
  await page.getByText(/^Up for/).waitFor();
});
