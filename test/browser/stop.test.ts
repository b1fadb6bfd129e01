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
  untilIdle,
} from "./browser.ts";

test("a double click on Send sends, and does not stop the reply", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:20x10" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await messageField(page).fill("Count");
  await page.getByRole("button", { name: "Send", exact: true }).dblclick();
  await replies(page).filter({ hasText: "w20" }).waitFor();
  await untilIdle(page);
  assert.equal(await page.getByText("Stopped", { exact: true }).count(), 0);
});

test("a reply can be stopped while the next message is being written", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:1000x20" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await say(page, "Count");
  await replies(page).filter({ hasText: "w3 " }).waitFor();
  await messageField(page).fill("And then");
  await page.getByRole("button", { name: "Send", exact: true }).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("Stopped", { exact: true }).waitFor();
  assert.equal(await messageField(page).inputValue(), "And then");
});

test("Enter that an input method has taken sends nothing", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await messageField(page).fill("かな");
  const press = (keyCode: number) =>
    messageField(page).dispatchEvent("keydown", { key: "Enter", keyCode, bubbles: true });
  await press(229);
  assert.equal(await messageField(page).inputValue(), "かな");
  await press(13);
  await replies(page).filter({ hasText: "かな" }).waitFor();
  await page.getByRole("button", { name: "Edit and send again" }).click();
  const edited = page.getByRole("textbox", { name: "Your message" });
  await edited.dispatchEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true });
  await edited.waitFor();
});
