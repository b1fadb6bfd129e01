import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { callJson, startApp } from "../support/app.ts";
import { createSession, openBrowser, skip, untilReply } from "./browser.ts";

const editor = (page: Page) => page.getByRole("textbox", { name: "Your message" });

const field = (page: Page) => page.getByRole("textbox", { name: "Message", exact: true });

async function beginEdit(page: Page, text: string): Promise<void> {
  await page.getByRole("button", { name: "Edit and send again" }).last().click();
  await editor(page).fill(text);
}

/** Scrolls by hand, as far as it goes; what is far away leaves the page. */
async function scrollUntil(page: Page, toTop: boolean, isThere: boolean): Promise<void> {
  await page.waitForFunction(
    ([top, wanted]) => {
      const list = document.querySelector(".conversation");
      if (list) list.scrollTop = top ? 0 : list.scrollHeight;
      return (document.querySelector(".edit-message") !== null) === wanted;
    },
    [toTop, isThere],
  );
}

test("what is written in an edit stays while it is scrolled away, and after a reload", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const messages = Array.from({ length: 20 }, (_, i) => `Message ${i}\n\n- a\n- b\n- c\n- d`);
  const sessionId = await createSession(app, { modelId: "scripted:say", messages });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "Message 19");
  await beginEdit(page, "Half written");
  await scrollUntil(page, true, false);
  await scrollUntil(page, false, true);
  assert.equal(await editor(page).inputValue(), "Half written");
  await page.reload();
  assert.equal(await editor(page).inputValue(), "Half written");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.reload();
  await untilReply(page, "Message 19");
  assert.equal(await editor(page).count(), 0);
});

test("an edit whose message is replaced elsewhere goes to the message field", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const modelId = "scripted:say";
  const sessionId = await createSession(app, { modelId, messages: ["One", "Two"] });
  const browser = await openBrowser(t, app);
  const first = await browser.open(`/s/${sessionId}`);
  await untilReply(first, "Two");
  const second = await browser.open(`/s/${sessionId}`);
  await untilReply(second, "Two");
  await beginEdit(first, "Two of the first");
  await beginEdit(second, "Two of the second");
  await field(second).fill("Three");
  await first.getByRole("button", { name: "Send", exact: true }).first().click();
  await untilReply(second, "Two of the first");
  await second.getByText("The message that you were editing was replaced.").waitFor();
  assert.equal(await editor(second).count(), 0);
  assert.equal(await field(second).inputValue(), "Two of the second\n\nThree");
  // The same when it was not a page that replaced it.
  await beginEdit(second, "Two once more");
  const { json } = await callJson(app, "ListMessages", { sessionId });
  const listed = json.messages as { messageId: string; text: string }[];
  const messageId = listed.find(({ text }) => text === "Two of the first")?.messageId;
  await callJson(app, "SendMessage", { sessionId, type: "EDIT", messageId, message: "By API" });
  await untilReply(second, "By API");
  assert.match(await field(second).inputValue(), /^Two once more\n\n/);
});
