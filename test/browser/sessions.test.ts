import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { callJson, startApp, type TestApp } from "../support/app.ts";
import { createSession, openBrowser, say, skip, untilReply } from "./browser.ts";

const list = (page: Page) => page.getByRole("navigation", { name: "Chats" });
const item = (page: Page, title: string) =>
  list(page).getByRole("link", { name: title, exact: true });

async function exists(app: TestApp, sessionId: string): Promise<boolean> {
  return (await callJson(app, "GetSessionInfo", { sessionId })).status === 200;
}

test("chats that open, change and go elsewhere come and go by themselves", { skip }, async (t) => {
  const app = await startApp(t);
  const page = await (await openBrowser(t, app)).open();
  await list(page).getByText("Your chats will be listed here.").waitFor();
  const sessionId = await createSession(app, { modelId: "scripted:50x50", title: "One" });
  await item(page, "One").waitFor();
  await callJson(app, "UpdateSession", { sessionId, title: "Two" });
  await item(page, "Two").waitFor();
  const sent = callJson(app, "SendMessage", { sessionId, message: "Count" });
  const running = list(page).getByRole("img", { name: "A reply is being written" });
  await running.waitFor();
  await callJson(app, "CancelTurn", { sessionId });
  await running.waitFor({ state: "detached" });
  await sent;
  await callJson(app, "DeleteSession", { sessionId });
  await item(page, "Two").waitFor({ state: "detached" });
});

test("a chat is renamed in its place", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Old name" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await item(page, "Old name").hover();
  await page.getByRole("button", { name: "Rename “Old name”" }).click();
  await page.getByRole("textbox", { name: "Title" }).fill("New name");
  await page.keyboard.press("Enter");
  await item(page, "New name").waitFor();
  await page.getByRole("heading", { level: 1, name: "New name" }).waitFor();
});

test("a deleted chat comes back by Undo, and is still there", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Keep me" });
  const page = await (await openBrowser(t, app)).open();
  await item(page, "Keep me").hover();
  await page.getByRole("button", { name: "Delete “Keep me”" }).click();
  await item(page, "Keep me").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo" }).click();
  await item(page, "Keep me").waitFor();
  assert.equal(await exists(app, sessionId), true);
});

test("a title that is written from the right leaves the words around it as they are", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const title = "\u202ekeep \u05d0\u05d1";
  await createSession(app, { modelId: "scripted:say", title });
  const page = await (await openBrowser(t, app)).open();
  await page.locator(".session-item").hover();
  await page.getByRole("button", { name: "Delete" }).click();
  const notice = page.locator(".notice");
  await notice.getByText("will be deleted.").waitFor();
  const named = notice.getByText(title, { exact: true });
  assert.equal(await named.evaluate((element) => getComputedStyle(element).unicodeBidi), "isolate");
  const order = await notice.evaluate((element, inside) => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    const lefts: Record<string, number> = {};
    while (walker.nextNode()) {
      const range = document.createRange();
      range.selectNodeContents(walker.currentNode);
      const text = walker.currentNode.textContent ?? "";
      lefts[text === inside ? "title" : text] = range.getBoundingClientRect().left;
    }
    return Object.entries(lefts)
      .sort(([, a], [, b]) => a - b)
      .map(([text]) => text);
  }, title);
  assert.equal(order[0], "“");
  assert.equal(order[1], "title");
});

test("without Undo it is deleted after a while", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Go" });
  const browser = await openBrowser(t, app);
  await browser.context.clock.install();
  const page = await browser.open(`/s/${sessionId}`);
  await item(page, "Go").hover();
  const deleted = page.waitForResponse(/DeleteSession/);
  await page.getByRole("button", { name: "Delete “Go”" }).click();
  await page.waitForURL(/\/$/);
  assert.equal(await exists(app, sessionId), true, "not at once");
  await page.clock.fastForward(6_000);
  assert.equal((await deleted).status(), 200);
  assert.equal(await exists(app, sessionId), false);
});

test("a page that is closed before that deletes it all the same", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Go" });
  const browser = await openBrowser(t, app);
  const page = await browser.open();
  await item(page, "Go").hover();
  await page.getByRole("button", { name: "Delete “Go”" }).click();
  await item(page, "Go").waitFor({ state: "detached" });
  const watcher = await browser.open();
  await item(watcher, "Go").waitFor();
  await page.close({ runBeforeUnload: true });
  await item(watcher, "Go").waitFor({ state: "detached" });
  assert.equal(await exists(app, sessionId), false);
});

test("chats are found by the words in them", { skip }, async (t) => {
  const app = await startApp(t);
  await createSession(app, {
    modelId: "scripted:say",
    title: "Trees",
    messages: ["Oak and beech"],
  });
  await createSession(app, { modelId: "scripted:say", title: "Birds", messages: ["Wren"] });
  const page = await (await openBrowser(t, app)).open();
  await item(page, "Trees").waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("bee");
  await item(page, "Birds").waitFor({ state: "detached" });
  await item(page, "Trees").waitFor();
  await page.keyboard.type("swax");
  await page.getByText("No chat has these words.").waitFor();
});

test("a long list is read page by page", { skip }, async (t) => {
  const app = await startApp(t);
  for (let i = 1; i <= 70; i += 1) {
    await createSession(app, { modelId: "scripted:say", title: `Chat ${i}` });
  }
  const page = await (await openBrowser(t, app)).open();
  await item(page, "Chat 70").waitFor();
  assert.equal(await item(page, "Chat 1").count(), 0);
  const more = list(page).getByRole("button", { name: "More" });
  for (const last of ["Chat 11", "Chat 1"]) {
    await list(page)
      .getByRole("button", { name: /More|Reading more/ })
      .scrollIntoViewIfNeeded();
    await item(page, last).waitFor({ state: "attached" });
  }
  await more.waitFor({ state: "detached" });
  assert.equal(await list(page).getByRole("listitem").count(), 70);
});

test("a chat is forked as a whole", { skip }, async (t) => {
  const app = await startApp(t);
  const messages = ["Hello"];
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Root", messages });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await item(page, "Root").hover();
  await page.getByRole("button", { name: "Fork “Root”" }).click();
  await page.waitForURL((url) => !url.pathname.endsWith(sessionId));
  await untilReply(page, "Hello");
  await say(page, "Only here");
  await untilReply(page, "Only here");
  const { json } = await callJson(app, "ListMessages", { sessionId });
  assert.equal((json.messages as unknown[]).length, 2);
});

test("back and forward go through the chats, and one that is gone says so", { skip }, async (t) => {
  const app = await startApp(t);
  const one = await createSession(app, { modelId: "scripted:say", title: "One", messages: ["1"] });
  await createSession(app, { modelId: "scripted:say", title: "Two", messages: ["2"] });
  const page = await (await openBrowser(t, app, { expectErrors: /404/ })).open(`/s/${one}`);
  await item(page, "Two").click();
  await page.getByRole("heading", { level: 1, name: "Two" }).waitFor();
  await page.goBack();
  await page.getByRole("heading", { level: 1, name: "One" }).waitFor();
  await callJson(app, "DeleteSession", { sessionId: one });
  await page.getByText("This chat is not there.").waitFor();
  await page.goForward();
  await page.getByRole("heading", { level: 1, name: "Two" }).waitFor();
  await page.goto(`${app.url}/s/no-such-session`);
  await page.getByText("It was deleted, or it belongs to somebody else.").waitFor();
});
