import assert from "node:assert/strict";
import { test } from "node:test";
import { startApp } from "../support/app.ts";
import {
  chooseModel,
  createSession,
  messageField,
  openBrowser,
  replies,
  say,
  skip,
  untilIdle,
  untilReply,
} from "./browser.ts";

test("a first message opens a session that the URL names, and its reply streams", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const page = await (await openBrowser(t, app)).open();
  await chooseModel(page, "scripted:50x20");
  await say(page, "Count to fifty, please");
  await page.waitForURL(/\/s\/[\w-]+$/);
  await page.getByRole("button", { name: "Stop" }).waitFor();
  await untilReply(page, /w1 w2 .* w50/);
  assert.equal(await messageField(page).inputValue(), "");
  await page.getByRole("heading", { level: 1, name: "Count to fifty, please" }).waitFor();
  await page
    .getByRole("navigation")
    .getByRole("link", { name: "Count to fifty, please" })
    .waitFor();
  await page.getByText(/scripted:50x20 · .* 50 out · .* s/).waitFor();
});

test("Stop cancels the turn and keeps what had arrived", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:1000x20" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await say(page, "Count");
  await replies(page).filter({ hasText: "w3 " }).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("What had arrived is kept.").waitFor();
  await untilIdle(page);
  await replies(page).filter({ hasText: "w3 " }).waitFor();
});

test("a stopped reply goes on in the same message", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:5x1!max_tokens@2" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await say(page, "Count");
  await page.getByText("Cut at its longest", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Continue" }).click();
  await untilReply(page, "w1 w2 w1 w2");
  assert.equal(await replies(page).count(), 1);
});

test("a reply that is written again replaces the old one", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:3x1", messages: ["Count"] });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "w1 w2 w3");
  await chooseModel(page, "scripted:50x20");
  await page.getByRole("button", { name: "Regenerate" }).click();
  await untilReply(page, "w50");
  assert.equal(await replies(page).count(), 1);
});

test("an edited message replaces itself and what came after it", { skip }, async (t) => {
  const app = await startApp(t);
  const messages = ["First", "Second"];
  const sessionId = await createSession(app, { modelId: "scripted:say", messages });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "Second");
  const first = page.getByRole("article", { name: "You" }).first();
  await first.hover();
  await first.getByRole("button", { name: "Edit and send again" }).click();
  await page.getByRole("textbox", { name: "Your message" }).fill("Another first");
  await page.keyboard.press("Enter");
  await untilReply(page, "Another first");
  assert.deepEqual(await replies(page).locator(".markdown").allInnerTexts(), ["Another first"]);
});

test("a chat can be forked from any message", { skip }, async (t) => {
  const app = await startApp(t);
  const messages = ["First", "Second"];
  const sessionId = await createSession(app, { modelId: "scripted:say", messages });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "Second");
  const first = replies(page).first();
  await first.hover();
  await first.getByRole("button", { name: "Fork from here" }).click();
  await page.waitForURL((url) => !url.pathname.endsWith(sessionId));
  await untilReply(page, "First");
  assert.equal(await replies(page).count(), 1);
});

test("a message or its code can be copied", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const browser = await openBrowser(t, app, { permissions: ["clipboard-read", "clipboard-write"] });
  const page = await browser.open(`/s/${sessionId}`);
  const text = "Try\n\n```sh\necho hi\n```\n\nit.";
  await say(page, text);
  await untilReply(page, "it.");
  const copied = () => page.evaluate(() => navigator.clipboard.readText());
  await page.getByRole("button", { name: "Copy code" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await copied(), "echo hi");
  await page.getByRole("button", { name: "Copy reply" }).click();
  await page.getByRole("button", { name: "Copied" }).nth(1).waitFor();
  assert.equal(await copied(), text);
});

test("a message that is sent while a reply comes waits its turn, and can be withdrawn", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:1000x20" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await say(page, "One");
  await replies(page).filter({ hasText: "w3 " }).waitFor();
  await say(page, "Two");
  await say(page, "Three");
  const waiting = page.getByText("Waits for its turn.");
  await waiting.nth(1).waitFor();
  await page.getByRole("button", { name: "Withdraw" }).first().click();
  await page.getByText("Two").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Stop" }).click();
  await replies(page).nth(1).filter({ hasText: "w3 " }).waitFor();
  assert.equal(await waiting.count(), 0);
  await page.getByRole("button", { name: "Stop" }).click();
  await untilIdle(page);
});

test("a model's thoughts are folded, and open on demand", { skip }, async (t) => {
  const app = await startApp(t);
  const page = await (await openBrowser(t, app)).open();
  await chooseModel(page, "scripted:thoughts");
  await page.getByRole("button", { name: "Settings of this chat" }).click();
  await page.getByRole("checkbox", { name: /thinking/ }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await say(page, "Think");
  await untilReply(page, "w1 w2 w3");
  const thoughts = page.getByText("t1 t2 t3");
  assert.equal(await thoughts.isVisible(), false);
  await page.getByText("Thoughts", { exact: true }).click();
  await thoughts.waitFor();
});
