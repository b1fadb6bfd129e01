import assert from "node:assert/strict";
import { test } from "node:test";
import { callJson } from "../support/app.ts";
import { bearer, startAuthApp } from "../support/auth.ts";
import { openBrowser, say, skip } from "./browser.ts";

const expectErrors = /401|Failed to load resource/;

test("a server that wants a key is given one, which ends with the tab and is in no URL", {
  skip,
}, async (t) => {
  const app = await startAuthApp(t);
  const browser = await openBrowser(t, app, { expectErrors });
  const urls: string[] = [];
  browser.context.on("request", (request) => void urls.push(request.url()));
  const page = await browser.open();
  const field = page.getByLabel("API key or token");
  await field.fill("cw_wrong");
  await page.keyboard.press("Enter");
  await page.getByText("The server does not accept this key.").waitFor();
  await field.fill(app.alice.text);
  await page.keyboard.press("Enter");
  await say(page, "Hello from Alice");
  await page.waitForURL(/\/s\//);
  await page.getByRole("article", { name: "Reply" }).waitFor();
  await page.reload();
  await page.getByRole("article", { name: "Reply" }).waitFor();
  assert.deepEqual(
    urls.filter((url) => url.includes(app.alice.text)),
    [],
  );
  const { json } = await callJson(app, "ListSessions", {}, bearer(app.alice));
  assert.equal((json.sessions as unknown[]).length, 1);
  const another = await browser.open();
  await another.getByLabel("API key or token").waitFor();
});

test("signing out forgets the key and what was read with it", { skip }, async (t) => {
  const app = await startAuthApp(t);
  const browser = await openBrowser(t, app, { expectErrors });
  const page = await browser.open();
  const signIn = async (key: string) => {
    await page.getByLabel("API key or token").fill(key);
    await page.keyboard.press("Enter");
  };
  await signIn(app.alice.text);
  await say(page, "Only for Alice");
  await page.getByRole("article", { name: "Reply" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key or token").waitFor();
  const kept = await page.evaluate(() => JSON.stringify([sessionStorage, localStorage]));
  assert.ok(!kept.includes(app.alice.text));
  await signIn(app.bob.text);
  await page.getByText("Your chats will be listed here.").waitFor();
  assert.equal(await page.getByText("Only for Alice").count(), 0);
});

test("a key that is revoked while it is used asks for another", { skip }, async (t) => {
  const app = await startAuthApp(t);
  const browser = await openBrowser(t, app, { expectErrors });
  const page = await browser.open();
  await page.getByLabel("API key or token").fill(app.alice.text);
  await page.keyboard.press("Enter");
  await page.getByText("Your chats will be listed here.").waitFor();
  app.keys.revoke(app.alice);
  await page.getByText("The server does not accept this key.").waitFor();
});

test("a key that may only read is told so when it sends, and the message is kept", {
  skip,
}, async (t) => {
  const app = await startAuthApp(t);
  const reader = app.keys.create({ name: "reader", scopes: ["read"] });
  const browser = await openBrowser(t, app, { expectErrors: /401|403|Failed to load resource/ });
  const page = await browser.open();
  await page.getByLabel("API key or token").fill(reader.text);
  await page.keyboard.press("Enter");
  await say(page, "May I?");
  await page.getByText("Your key does not allow this.").waitFor();
  await page.getByText("May I?").waitFor();
});
