import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer } from "../support/server-process.ts";
import { messageField, openBrowser, replies, skip, untilIdle } from "./browser.ts";

test("a server that was started without any configuration shows the page, and talks", {
  skip,
}, async (t) => {
  const server = await startServer(t, { env: { SCRIPTED_MODEL: "0" } });
  const page = await (await openBrowser(t, server, { expectErrors: /ERR_/ })).open();
  await page.getByRole("heading", { name: "What is on your mind?" }).waitFor();
  await messageField(page).fill("My mother worries about me.");
  await page.keyboard.press("Enter");
  await replies(page).filter({ hasText: "your mother" }).waitFor();
  await untilIdle(page);
  assert.match(page.url(), /\/s\/[\w-]+$/);
});
