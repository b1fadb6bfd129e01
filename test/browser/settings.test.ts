import assert from "node:assert/strict";
import { test } from "node:test";
import { callJson, startApp } from "../support/app.ts";
import {
  chooseModel,
  createSession,
  openBrowser,
  replies,
  say,
  skip,
  untilIdle,
} from "./browser.ts";

test("a new chat is opened with the settings that were made for it", { skip }, async (t) => {
  const app = await startApp(t);
  const page = await (await openBrowser(t, app)).open();
  await chooseModel(page, "scripted:echo");
  await page.getByRole("button", { name: "Settings of this chat" }).click();
  await page.getByRole("textbox", { name: "Instruction" }).fill("Be brief.");
  await page.getByRole("spinbutton", { name: /Temperature/ }).fill("0.4");
  await page.getByRole("spinbutton", { name: /Longest reply/ }).fill("120");
  await page.getByRole("button", { name: "Save" }).click();
  await page.reload();
  await say(page, "Hello");
  await replies(page).filter({ hasText: "Be brief." }).waitFor();
  await untilIdle(page);
  const told = JSON.parse(await replies(page).locator(".markdown").innerText());
  assert.equal(told.systemInstruction, "Be brief.");
  assert.equal(told.generation.temperature, 0.4);
  assert.equal(told.generation.maxOutputTokens, 120);
});

test("settings of a chat are saved, and seen where it is open", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const browser = await openBrowser(t, app);
  const page = await browser.open(`/s/${sessionId}`);
  const other = await browser.open(`/s/${sessionId}`);
  await chooseModel(page, "scripted:echo");
  const model = other.locator("header").getByRole("combobox", { name: "Model" });
  await other.waitForFunction(
    () => document.querySelector<HTMLSelectElement>("header select")?.value === "scripted:echo",
  );
  assert.equal(await model.inputValue(), "scripted:echo");
});

test("settings that somebody else has changed meanwhile are not overwritten", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const browser = await openBrowser(t, app, { expectErrors: /409|Failed to load resource/ });
  const page = await browser.open(`/s/${sessionId}`);
  await page.getByRole("button", { name: "Settings of this chat" }).click();
  await page.getByRole("textbox", { name: "Instruction" }).fill("Mine");
  await page.route(/UpdateSession/, async (route) => {
    await callJson(app, "UpdateSession", { sessionId, systemInstruction: "Theirs" });
    await route.continue();
  });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("These settings were changed somewhere else.").waitFor();
  const { json } = await callJson(app, "GetSessionInfo", { sessionId });
  assert.equal(json.systemInstruction, "Theirs");
});
