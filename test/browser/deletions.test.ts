import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { callJson, startApp, type TestApp } from "../support/app.ts";
import { bearer, startAuthApp } from "../support/auth.ts";
import { until } from "../support/listener.ts";
import { createSession, forwardUntilShown, openBrowser, skip } from "./browser.ts";

const item = (page: Page, title: string) =>
  page.getByRole("navigation", { name: "Chats" }).getByRole("link", { name: title, exact: true });

async function remove(page: Page, title: string): Promise<void> {
  await item(page, title).hover();
  await page.getByRole("button", { name: `Delete “${title}”` }).click();
  await item(page, title).waitFor({ state: "detached" });
}

async function isGone(app: TestApp, sessionId: string, headers = {}): Promise<boolean> {
  return (await callJson(app, "GetSessionInfo", { sessionId }, headers)).status === 404;
}

test("signing out deletes what is to be deleted, with the key that may", { skip }, async (t) => {
  const app = await startAuthApp(t);
  const { json } = await callJson(app, "CreateSession", { title: "Go" }, bearer(app.alice));
  const expectErrors = /401|Failed to load resource/;
  const page = await (await openBrowser(t, app, { expectErrors })).open();
  const signIn = async (key: string) => {
    await page.getByLabel("API key or token").fill(key);
    await page.keyboard.press("Enter");
  };
  await signIn(app.alice.text);
  await remove(page, "Go");
  await page.getByRole("button", { name: "Sign out" }).click();
  await until(() => isGone(app, String(json.sessionId), bearer(app.alice)));
  await signIn(app.bob.text);
  await page.getByText("Your chats will be listed here.").waitFor();
  assert.equal(await page.getByText("deleted").count(), 0);
});

const expectErrors = /404|ERR_|Failed to load resource/;

test("what is deleted while the server is out of reach is deleted when it is back", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Go" });
  const browser = await openBrowser(t, app, { expectErrors });
  await browser.context.clock.install();
  const page = await browser.open();
  await item(page, "Go").waitFor();
  await browser.context.setOffline(true);
  await remove(page, "Go");
  const told = page.getByText("“Go” will be deleted once the server is back.");
  await forwardUntilShown(page, told, 1_000);
  assert.equal(await isGone(app, sessionId), false);
  await browser.context.setOffline(false);
  await page.clock.fastForward(20_000);
  await until(() => isGone(app, sessionId));
});

test("what a closed tab could not delete is deleted by the next one", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Go" });
  const browser = await openBrowser(t, app, { expectErrors });
  const page = await browser.open();
  await item(page, "Go").waitFor();
  await browser.context.setOffline(true);
  await remove(page, "Go");
  await Promise.all([page.waitForEvent("close"), page.close({ runBeforeUnload: true })]);
  await browser.context.setOffline(false);
  assert.equal(await isGone(app, sessionId), false);
  const next = await browser.open();
  await until(() => isGone(app, sessionId));
  assert.equal(await item(next, "Go").count(), 0);
});

test("Undo goes back to the chat that was open", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Keep me" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await item(page, "Keep me").waitFor();
  await remove(page, "Keep me");
  await page.getByText("“Keep me” will be deleted.").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.waitForURL(new RegExp(`/s/${sessionId}$`));
  await page.getByRole("heading", { level: 1, name: "Keep me" }).waitFor();
});
