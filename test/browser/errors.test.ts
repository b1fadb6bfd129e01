import assert from "node:assert/strict";
import { test } from "node:test";
import { callJson, startApp } from "../support/app.ts";
import { seededShare } from "../support/seeded.ts";
import {
  createSession,
  messageField,
  openBrowser,
  replies,
  say,
  skip,
  untilReply,
} from "./browser.ts";

const ends: readonly (readonly [model: string, words: string])[] = [
  ["scripted:5x1!unavailable@2", "The model is unavailable"],
  ["scripted:5x1!end@2", "Broke off"],
  ["scripted:5x1!safety@2", "Blocked by the provider"],
  ["scripted:5x1!max_tokens@2", "Cut at its longest"],
];

for (const [modelId, words] of seededShare("ends", ends, 1)) {
  test(`how a turn ended is said in words, also after a reload (${modelId})`, {
    skip,
  }, async (t) => {
    const app = await startApp(t, { expectErrors: /./ });
    const sessionId = await createSession(app, { modelId });
    const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
    await say(page, "Count");
    for (const round of ["live", "listed"]) {
      await page.locator(".card").getByText(words, { exact: true }).waitFor();
      await replies(page).filter({ hasText: "w1 w2" }).waitFor();
      assert.equal(await replies(page).count(), 1, round);
      await page.reload();
    }
  });
}

test("a turn that failed before its reply is tried again by REGENERATE", { skip }, async (t) => {
  const app = await startApp(t, { expectErrors: /./ });
  const sessionId = await createSession(app, { modelId: "scripted:5x1!unavailable@0" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await say(page, "Count");
  await page.getByRole("alert").getByText("The model is unavailable").waitFor();
  await page.reload();
  await page.getByText("The model is unavailable").waitFor();
  await callJson(app, "UpdateSession", { sessionId, modelId: "scripted:3x1" });
  await page.getByRole("button", { name: "Try again" }).click();
  await untilReply(page, "w1 w2 w3");
  const { json } = await callJson(app, "ListMessages", { sessionId });
  assert.equal((json.messages as unknown[]).length, 2);
});

test("a message that the server refuses is kept, with the reason", { skip }, async (t) => {
  const app = await startApp(t, { env: { MESSAGE_BYTES_MAX: "10" } });
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const expectErrors = /400|Failed to load resource/;
  const page = await (await openBrowser(t, app, { expectErrors })).open(`/s/${sessionId}`);
  await say(page, "More than ten bytes");
  await page.getByRole("alert").getByText("Not sent").waitFor();
  await page.getByText("More than ten bytes").waitFor();
  await page.getByRole("button", { name: "Discard" }).click();
  await page.getByText("More than ten bytes").waitFor({ state: "detached" });
});

test("a message for which there is no room yet says so, and goes when there is", {
  skip,
}, async (t) => {
  const app = await startApp(t, { env: { QUEUED_TURNS_MAX: "1" } });
  const sessionId = await createSession(app, { modelId: "scripted:1000x20" });
  const expectErrors = /429|Failed to load resource/;
  const page = await (await openBrowser(t, app, { expectErrors })).open(`/s/${sessionId}`);
  await say(page, "One");
  await replies(page).filter({ hasText: "w3 " }).waitFor();
  await say(page, "Two");
  await page.getByText("Waits for its turn.").waitFor();
  await say(page, "Three");
  await page.getByText("Too many messages are waiting here already. Trying again…").waitFor();
  const two = page.getByRole("article", { name: "You" }).filter({ hasText: "Two" });
  await two.getByRole("button", { name: "Withdraw" }).click();
  const three = page.getByRole("article", { name: "You" }).filter({ hasText: "Three" });
  await three.getByText("Waits for its turn.").waitFor();
  await callJson(app, "DeleteSession", { sessionId });
});

test("what is written and not sent survives a reload, in its own chat", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Chat" });
  const browser = await openBrowser(t, app);
  const page = await browser.open(`/s/${sessionId}`);
  await messageField(page).fill("Half a thought");
  await page.reload();
  assert.equal(await messageField(page).inputValue(), "Half a thought");
  await page.getByRole("link", { name: "New chat" }).click();
  await page.getByRole("heading", { level: 1, name: "New chat" }).waitFor();
  assert.equal(await messageField(page).inputValue(), "");
  await page.getByRole("link", { name: "Chat", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "Chat", exact: true }).waitFor();
  await page.keyboard.press("Enter");
  await untilReply(page, "Half a thought");
  await page.reload();
  await untilReply(page, "Half a thought");
  assert.equal(await messageField(page).inputValue(), "");
});
