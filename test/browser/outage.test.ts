import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { callJson, startApp } from "../support/app.ts";
import {
  createSession,
  forwardUntilShown,
  openBrowser,
  replies,
  skip,
  untilReply,
} from "./browser.ts";

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
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Old name" });
  const browser = await openBrowser(t, app, { expectErrors });
  await browser.context.clock.install();
  const page = await browser.open(`/s/${sessionId}`);
  const heading = (name: string) => page.getByRole("heading", { level: 1, name, exact: true });
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
  await heading("Never saved").waitFor();
  // Shorter steps than a notice is there for.
  await forwardUntilShown(page, failure, 2_000);
  await heading("Old name").waitFor();
  await page.unroute(/UpdateSession/);
  await rename("New name");
  await list(page).getByRole("link", { name: "New name", exact: true }).waitFor();
  await heading("New name").waitFor();
  await list(page).locator("[data-unsaved]").waitFor({ state: "detached" });
  await page.reload();
  await list(page).getByRole("link", { name: "New name", exact: true }).waitFor();
});

test("of two names the one that was given last is kept", { skip }, async (t) => {
  const app = await startApp(t);
  await createSession(app, { modelId: "scripted:say", title: "Old name" });
  const page = await (await openBrowser(t, app, { expectErrors })).open();
  const rename = async (from: string, to: string) => {
    await list(page).getByRole("link", { name: from, exact: true }).hover();
    await page.getByRole("button", { name: `Rename “${from}”` }).click();
    await page.getByRole("textbox", { name: "Title" }).fill(to);
    await page.keyboard.press("Enter");
    await list(page).getByRole("link", { name: to, exact: true }).waitFor();
  };
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  app.defer(() => letGo());
  const first = page.waitForRequest(/UpdateSession/);
  await page.route(/UpdateSession/, async (route) => {
    if (route.request() === (await first)) await held;
    await route.continue().catch(() => undefined);
  });
  await rename("Old name", "First name");
  await first;
  await rename("First name", "Second name");
  await list(page).locator("[data-unsaved]").waitFor({ state: "detached" });
  letGo();
  // The page has left it, so it has no answer.
  assert.equal(await (await first).response(), null);
  const { json } = await callJson(app, "ListSessions", {});
  assert.deepEqual(
    (json.sessions as { title: string }[]).map(({ title }) => title),
    ["Second name"],
  );
  assert.equal(await page.locator(".notice").count(), 0);
});

test("a fork that the server keeps waiting says so, and is made once when it is back", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const messages = ["Hello"];
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Root", messages });
  const browser = await openBrowser(t, app, { expectErrors });
  await browser.context.clock.install();
  const page = await browser.open(`/s/${sessionId}`);
  await untilReply(page, "Hello");
  const bodies = new Set<string | undefined>();
  await page.route(/chat\.ChatService/, async (route) => {
    const request = route.request();
    if (/ForkSession/.test(request.url())) {
      bodies.add(request.postDataBuffer()?.toString("base64"));
    }
    await route.abort("connectionrefused");
  });
  const fork = page.getByRole("button", { name: "Fork from here" }).last();
  await fork.click();
  const waits = page.getByText("Forking the chat…");
  await forwardUntilShown(page, waits, 500);
  await fork.click();
  // Longer than other notices are there for.
  for (let seconds = 0; seconds < 7; seconds += 1) await page.clock.fastForward(1_000);
  await waits.waitFor();
  assert.equal(await waits.count(), 1);
  assert.equal(bodies.size, 1, "each attempt is the same call");
  await page.unroute(/chat\.ChatService/);
  await page.clock.fastForward(2_000);
  await page.waitForURL((url) => !url.pathname.endsWith(sessionId));
  await untilReply(page, "Hello");
  await waits.waitFor({ state: "detached" });
  const { json } = await callJson(app, "ListSessions", {});
  assert.equal((json.sessions as unknown[]).length, 2);
});

test("a fork that comes late leads nobody away from where they are", { skip }, async (t) => {
  const app = await startApp(t);
  const messages = ["Hello"];
  const sessionId = await createSession(app, { modelId: "scripted:say", title: "Root", messages });
  const browser = await openBrowser(t, app, { expectErrors });
  const page = await browser.open(`/s/${sessionId}`);
  await untilReply(page, "Hello");
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  app.defer(() => letGo());
  await page.route(/ForkSession/, async (route) => {
    await held;
    await route.continue();
  });
  await page.getByRole("button", { name: "Fork from here" }).last().click();
  await page.getByText("Forking the chat…").waitFor();
  await list(page).getByRole("link", { name: "New chat" }).click();
  await page.waitForURL(/\/$/);
  letGo();
  await page.getByText("The chat was forked.").waitFor();
  assert.match(page.url(), /\/$/);
  await page.getByRole("button", { name: "Open" }).click();
  await untilReply(page, "Hello");
});

test("a fork that fails says that it was the fork", { skip }, async (t) => {
  const app = await startApp(t);
  await createSession(app, { modelId: "scripted:say", title: "Root" });
  const browser = await openBrowser(t, app, { expectErrors });
  await browser.context.clock.install();
  const page = await browser.open();
  await page.route(/ForkSession/, (route) => route.abort("connectionrefused"));
  await list(page).getByRole("link", { name: "Root", exact: true }).hover();
  await page.getByRole("button", { name: "Fork “Root”" }).click();
  await forwardUntilShown(page, page.getByText("Forking the chat…"), 500);
  const failure = page.getByText("The chat was not forked. Can't reach the server.");
  await forwardUntilShown(page, failure, 2_000);
  assert.equal(await page.getByText("Forking the chat…").count(), 0);
});

test("what is asked for again while the server is out of reach is called by its name", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", messages: ["Hello"] });
  const page = await (await openBrowser(t, app, { expectErrors })).open(`/s/${sessionId}`);
  await untilReply(page, "Hello");
  await page.route(/StreamChat/, (route) => route.abort("connectionrefused"));
  const waits = (what: string) =>
    page.getByText(`${what} Can't reach the server. Trying again…`).waitFor();
  await replies(page).last().hover();
  await page.getByRole("button", { name: "Regenerate" }).click();
  await waits("Another reply is being asked for.");
  await page.getByRole("button", { name: "Withdraw" }).click();
  await page.locator(".queued").waitFor({ state: "detached" });
  await page.getByRole("article", { name: "You" }).hover();
  await page.getByRole("button", { name: "Edit and send again" }).click();
  await page.getByRole("textbox", { name: "Your message" }).fill("Hello again");
  await page.keyboard.press("Enter");
  await waits("Your edit is being sent.");
});
