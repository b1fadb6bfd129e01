import { test } from "node:test";
import { startApp } from "../support/app.ts";
import { createSession, openBrowser, skip } from "./browser.ts";

test("/status shows what the server does, and goes on showing it", { skip }, async (t) => {
  const app = await startApp(t);
  const browser = await openBrowser(t, app);
  await browser.context.clock.install();
  const page = await browser.open("/status");
  await page.getByText(/^Up for /).waitFor();
  await page.getByRole("img", { name: /^Open streams over the last two minutes, now 1/ }).waitFor();
  const requests = page
    .locator("dl div")
    .filter({ hasText: /^Requests/ })
    .locator("dd");
  await requests.filter({ hasText: /^0$/ }).waitFor();
  await createSession(app, { modelId: "scripted:3x1", messages: ["One", "Two"] });
  await page.clock.fastForward(2_500);
  await requests.filter({ hasText: /^2$/ }).waitFor();
  for (const chart of [
    "Running turns",
    "Requests",
    "First chunk",
    "Tokens out",
    "Refused or failed",
  ]) {
    await page.getByRole("img", { name: new RegExp(`^${chart} over`) }).waitFor();
  }
});
