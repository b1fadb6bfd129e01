import { test } from "node:test";
import type { Page } from "playwright-core";
import { startApp } from "../support/app.ts";
import { createSession, forwardUntilShown, openBrowser, skip, untilReply } from "./browser.ts";

const expectErrors = /503|ERR_|Failed to load resource/;
const list = (page: Page) => page.getByRole("navigation", { name: "Chats" });

test("models that could not be listed are listed when the server is back", { skip }, async (t) => {
  const app = await startApp(t);
  const browser = await openBrowser(t, app, { expectErrors });
  await browser.context.clock.install();
  await browser.context.route(/chat\.ChatService/, (route) => route.abort("connectionrefused"));
  const page = await browser.open();
  const models = page.locator("header").getByRole("combobox", { name: "Model" });
  await models.waitFor();
  const missing = models.getByRole("option", { name: "No models" });
  await forwardUntilShown(page, missing, 2_000);
  await browser.context.unroute(/chat\.ChatService/);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await models.locator('option[value^="scripted"]').first().waitFor({ state: "attached" });
});

test("a chat that is opened while the server is out of reach says so, and comes by itself", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  await createSession(app, { modelId: "scripted:say", title: "Other", messages: ["Hello"] });
  const browser = await openBrowser(t, app, { expectErrors });
  await browser.context.clock.install();
  const page = await browser.open();
  await list(page).getByRole("link", { name: "Other", exact: true }).waitFor();
  await page.route(/chat\.ChatService/, (route) => route.abort("connectionrefused"));
  await list(page).getByRole("link", { name: "Other", exact: true }).click();
  const banner = page.getByText("Can't reach the server. Trying again…");
  await forwardUntilShown(page, banner, 1_000);
  // Past what one attempt at reading it is given.
  for (let seconds = 0; seconds < 60; seconds += 5) await page.clock.fastForward(5_000);
  await banner.waitFor();
  await page.unroute(/chat\.ChatService/);
  const reply = page.getByRole("article", { name: "Reply" });
  await forwardUntilShown(page, reply, 5_000);
  await untilReply(page, "Hello");
  await banner.waitFor({ state: "detached" });
});

test("a new name stays while it is being saved, and its failure is told", { skip }, async (t) => {
  const app = await startApp(t);
  await createSession(app, { modelId: "scripted:say", title: "Old name" });
  const browser = await openBrowser(t, app, { expectErrors });
  await browser.context.clock.install();
  const page = await browser.open();
  const rename = async (to: string) => {
    await list(page).getByRole("link", { name: "Old name", exact: true }).hover();
    await page.getByRole("button", { name: "Rename “Old name”" }).click();
    await page.getByRole("textbox", { name: "Title" }).fill(to);
    await page.keyboard.press("Enter");
  };
  await page.route(/UpdateSession/, (route) => route.abort("connectionrefused"));
  await rename("Never saved");
  const failure = page.getByText("“Old name” was not renamed. Can't reach the server.");
  await list(page).getByRole("link", { name: "Never saved", exact: true }).waitFor();
  // Shorter steps than a notice is there for.
  await forwardUntilShown(page, failure, 2_000);
  await page.unroute(/UpdateSession/);
  await rename("New name");
  await list(page).getByRole("link", { name: "New name", exact: true }).waitFor();
  await page.reload();
  await list(page).getByRole("link", { name: "New name", exact: true }).waitFor();
});
