import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { callJson, startApp, type TestApp } from "../support/app.ts";
import {
  chooseModel,
  messageField,
  openBrowser,
  replies,
  say,
  skip,
  untilReply,
} from "./browser.ts";

/** A page whose first sending waits until the test lets it go. */
async function openHeld(t: TestContext): Promise<{ app: TestApp; page: Page; release(): void }> {
  const app = await startApp(t);
  const page = await (await openBrowser(t, app)).open();
  await chooseModel(page, "scripted:say");
  const { promise, resolve } = Promise.withResolvers<void>();
  await page.route(
    /StreamChat/,
    async (route) => {
      await promise;
      await route.continue();
    },
    { times: 1 },
  );
  return { app, page, release: resolve };
}

async function textsOf(app: TestApp): Promise<string[][]> {
  const { json } = await callJson(app, "ListSessions", {});
  const texts = [];
  for (const { sessionId } of json.sessions as { sessionId: string }[]) {
    const listed = await callJson(app, "ListMessages", { sessionId });
    const messages = listed.json.messages as { role: string; text: string }[];
    texts.push(messages.filter(({ role }) => role === "USER").map(({ text }) => text));
  }
  return texts;
}

test("a second message waits for the session that the first one opens", { skip }, async (t) => {
  const { app, page, release } = await openHeld(t);
  await say(page, "A one");
  await say(page, "A two");
  await page.getByText("A two").waitFor();
  release();
  await untilReply(page, "A two");
  assert.deepEqual(await textsOf(app), [["A one", "A two"]]);
});

test("what is written while a chat is opened stays in its field, and in no other", {
  skip,
}, async (t) => {
  const { page, release } = await openHeld(t);
  await say(page, "A one");
  await messageField(page).pressSequentially("Half a ");
  release();
  await page.waitForURL(/\/s\//);
  await untilReply(page, "A one");
  assert.equal(await messageField(page).inputValue(), "Half a ");
  await page.keyboard.type("thought");
  await page.reload();
  assert.equal(await messageField(page).inputValue(), "Half a thought");
  await page.getByRole("link", { name: "New chat" }).click();
  await page.getByRole("heading", { level: 1, name: "New chat" }).waitFor();
  assert.equal(await messageField(page).inputValue(), "");
});

test("another new chat is another one, and the first that opens pulls nobody away", {
  skip,
}, async (t) => {
  const { app, page, release } = await openHeld(t);
  await say(page, "A one");
  await messageField(page).fill("For A");
  await page.getByRole("link", { name: "New chat" }).click();
  await page.getByRole("heading", { name: "What is on your mind?" }).waitFor();
  assert.equal(await page.getByText("A one").count(), 0);
  await messageField(page).fill("For B");
  release();
  const opened = page.getByRole("link", { name: "A one", exact: true });
  await opened.waitFor();
  assert.equal(new URL(page.url()).pathname, "/");
  assert.equal(await messageField(page).inputValue(), "For B");
  await page.goBack();
  await untilReply(page, "A one");
  assert.match(page.url(), /\/s\//);
  assert.equal(await messageField(page).inputValue(), "For A");
  await page.goForward();
  await page.getByRole("heading", { name: "What is on your mind?" }).waitFor();
  assert.equal(await messageField(page).inputValue(), "For B");
  await page.keyboard.press("Enter");
  await untilReply(page, "For B");
  assert.deepEqual(await textsOf(app), [["For B"], ["A one"]]);
});

test("a reload while a chat is opened opens it, with all that was said", { skip }, async (t) => {
  const { app, page } = await openHeld(t);
  await say(page, "A one");
  await say(page, "A two");
  await messageField(page).fill("A draft");
  await page.reload();
  await page.waitForURL(/\/s\//);
  await untilReply(page, "A two");
  assert.equal(await messageField(page).inputValue(), "A draft");
  assert.deepEqual(await textsOf(app), [["A one", "A two"]]);
});

test("the settings of a new chat are its own; the next one has the model alone", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const page = await (await openBrowser(t, app)).open();
  await chooseModel(page, "scripted:echo");
  await page.getByRole("button", { name: "Settings of this chat" }).click();
  await page.getByRole("textbox", { name: "Instruction" }).fill("Be brief.");
  await page.getByRole("button", { name: "Save" }).click();
  await say(page, "Hello");
  await replies(page).filter({ hasText: "Be brief." }).waitFor();
  await page.getByRole("link", { name: "New chat" }).click();
  await page.getByRole("button", { name: "Settings of this chat" }).click();
  assert.equal(await page.getByRole("textbox", { name: "Instruction" }).inputValue(), "");
  await page.keyboard.press("Escape");
  const model = page.locator("header").getByRole("combobox", { name: "Model" });
  assert.equal(await model.inputValue(), "scripted:echo");
});
