import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startAuthApp } from "../support/auth.ts";
import { messageField, openPersistent, replies, say, skip } from "./browser.ts";

/** A profile of somebody who has forbidden sites to keep anything. */
function createProfile(t: { after(step: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), "chatwire-profile-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "Default"));
  const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
  writeFileSync(join(folder, "Default", "Preferences"), JSON.stringify(preferences));
  return folder;
}

test("a browser that keeps nothing for the page still talks, signs in and signs out", {
  skip,
}, async (t) => {
  const app = await startAuthApp(t);
  const expectErrors = /401|Failed to load resource/;
  const browser = await openPersistent(t, app, createProfile(t), { expectErrors });
  const page = await browser.open();
  await page.getByLabel("API key or token").fill(app.alice.text);
  await page.keyboard.press("Enter");
  await say(page, "Hello");
  await replies(page).waitFor();
  await messageField(page).fill("A draft");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key or token").waitFor();
});
