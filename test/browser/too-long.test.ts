import assert from "node:assert/strict";
import { test } from "node:test";
import { startApp } from "../support/app.ts";
import {
  createSession,
  messageField,
  openBrowser,
  replies,
  say,
  skip,
  untilReply,
} from "./browser.ts";

test("a message that no server takes stays in the field, with the reason", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  // 600,000 letters of two bytes: too long in bytes alone.
  const text = "ü".repeat(600_000);
  await messageField(page).fill(text);
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("This message is too long").waitFor();
  assert.equal((await messageField(page).inputValue()).length, text.length);
  await messageField(page).fill("Short");
  await page.getByText("This message is too long").waitFor({ state: "detached" });
  await page.keyboard.press("Enter");
  await untilReply(page, "Short");
});

test("a message that cannot be sent as it is goes back into the field", { skip }, async (t) => {
  const app = await startApp(t, { env: { MESSAGE_BYTES_MAX: "10" } });
  const expectErrors = /400|Failed to load resource/;
  const page = await (await openBrowser(t, app, { expectErrors })).open();
  await say(page, "More than ten bytes");
  const card = page.getByRole("alert").filter({ hasText: "Not sent" });
  await card.getByText("This message is over 10 bytes.").waitFor();
  assert.equal(await card.getByRole("button", { name: "Send again" }).count(), 0);
  await messageField(page).fill("Begun since");
  await card.getByRole("button", { name: "Edit" }).click();
  await card.waitFor({ state: "detached" });
  assert.equal(await messageField(page).inputValue(), "More than ten bytes\n\nBegun since");
  await say(page, "Ten bytes");
  await replies(page).waitFor();
  await page.waitForURL(/\/s\//);
});
