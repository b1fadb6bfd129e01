import { test } from "node:test";
import { startApp } from "../support/app.ts";
import { createModel, createTestProvider, finish, textPart } from "../support/models.ts";
import { createSession, messageField, openBrowser, replies, skip, untilReply } from "./browser.ts";

const expectErrors = /ERR_|Failed to load resource|Failed to fetch|broken on purpose/;

test("a part of the page that does not come is asked for again, and the rest stays", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const page = await (await openBrowser(t, app, { expectErrors })).open();
  await messageField(page).fill("Still here");
  const parts = [
    ["status-page", page.getByRole("link", { name: "Status" }), "Status"],
    [
      "settings-dialog",
      page.getByRole("button", { name: "Settings of this chat" }),
      "Settings of this chat",
    ],
  ] as const;
  for (const [file, opener, heading] of parts) {
    await page.getByRole("link", { name: "New chat" }).click();
    await page.route(new RegExp(`/assets/${file}`), (route) => route.abort());
    await opener.click();
    const failure = page.getByRole("alert").filter({ hasText: "could not be loaded" });
    await failure.waitFor();
    await page.getByRole("navigation", { name: "Chats" }).waitFor();
    await page.unroute(new RegExp(`/assets/${file}`));
    await failure.getByRole("button", { name: "Try again" }).click();
    await failure.waitFor({ state: "detached" });
    await page.getByRole("heading", { name: heading }).waitFor();
  }
});

test("what shows messages is asked for again too", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", messages: ["Hello"] });
  const browser = await openBrowser(t, app, { expectErrors });
  await browser.context.route(/assets\/message-list/, (route) => route.abort());
  const page = await browser.open(`/s/${sessionId}`);
  await page.getByRole("alert").filter({ hasText: "could not be loaded" }).waitFor();
  await messageField(page).fill("Still here");
  await browser.context.unroute(/assets\/message-list/);
  await page.getByRole("button", { name: "Try again" }).click();
  await untilReply(page, "Hello");
});

test("a message that cannot be laid out is shown as plain text, and the others as ever", {
  skip,
}, async (t) => {
  const model = createModel(async function* ({ messages: history }) {
    yield textPart(history.length > 1 ? "Another **reply**." : "This $BROKEN$ **reply**.");
    yield finish;
  });
  const app = await startApp(t, { overrides: { providers: [createTestProvider(model)] } });
  const messages = ["One", "Two"];
  const sessionId = await createSession(app, { modelId: "test", title: "Chat", messages });
  const browser = await openBrowser(t, app, { expectErrors });
  // Stands in for whatever a library may stumble over.
  await browser.context.addInitScript(() => {
    const { charCodeAt } = String.prototype;
    String.prototype.charCodeAt = function stumble(this: string, index) {
      if (this.includes("BROKEN")) throw new Error("broken on purpose");
      return charCodeAt.call(this, index);
    };
  });
  const page = await browser.open(`/s/${sessionId}`);
  await replies(page).first().getByText("This $BROKEN$ **reply**.").waitFor();
  await replies(page).last().getByText("Another reply.").waitFor();
  await messageField(page).fill("Still here");
});
