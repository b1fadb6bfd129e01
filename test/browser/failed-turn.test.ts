import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { callJson, startApp } from "../support/app.ts";
import { restartServer, startServer } from "../support/server-process.ts";
import { createSession, openBrowser, replies, say, skip, untilReply } from "./browser.ts";

/** What stands on the card under the last message, without its buttons. */
async function cardText(page: Page, title: string): Promise<string> {
  const card = page.locator(".card").filter({ hasText: title });
  await card.getByRole("button", { name: "Try again" }).waitFor();
  return card.locator("div").innerText();
}

test("why a turn failed before its reply is said after a reload as it was live, in every tab", {
  skip,
}, async (t) => {
  const app = await startApp(t, { expectErrors: /./ });
  const sessionId = await createSession(app, { modelId: "scripted:say", messages: ["Hello"] });
  await callJson(app, "UpdateSession", { sessionId, modelId: "scripted:5x1!unavailable@0" });
  const browser = await openBrowser(t, app);
  const page = await browser.open(`/s/${sessionId}`);
  await say(page, "Count");
  const live = await cardText(page, "The model is unavailable");
  // The card says it, and nobody is told that there is a reply.
  assert.equal(await page.getByText("The reply is complete.").count(), 0);
  // What happens after the turn, and belongs to no message, does not hide it.
  await callJson(app, "UpdateSession", { sessionId, title: "Renamed" });
  await page.reload();
  assert.equal(await cardText(page, "The model is unavailable"), live);
  const other = await browser.open(`/s/${sessionId}`);
  assert.equal(await cardText(other, "The model is unavailable"), live);
  assert.equal(await other.getByText("No reply came").count(), 0);
  await callJson(app, "UpdateSession", { sessionId, modelId: "scripted:3x1" });
  await other.getByRole("button", { name: "Try again" }).click();
  for (const tab of [page, other]) {
    await untilReply(tab, "w1 w2 w3");
    assert.equal(await tab.locator(".card").count(), 0);
  }
  const { json } = await callJson(app, "ListMessages", { sessionId });
  assert.equal((json.messages as unknown[]).length, 4);
});

test("a reply that was stopped before its first word says so after a reload, and is tried again", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:5x1!hang@0" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await say(page, "Count");
  await page.getByRole("button", { name: "Stop" }).click();
  const live = await cardText(page, "Stopped before a reply came");
  await page.reload();
  assert.equal(await cardText(page, "Stopped before a reply came"), live);
  await callJson(app, "UpdateSession", { sessionId, modelId: "scripted:3x1" });
  await page.getByRole("button", { name: "Try again" }).click();
  await untilReply(page, "w1 w2 w3");
});

test("a turn that the server's death ended before its first word says so after a reload", {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const sessionId = await createSession(server, { modelId: "scripted:5x1!hang@0" });
  const browser = await openBrowser(t, server, { expectErrors: /ERR_|Failed to load resource/ });
  const page = await browser.open(`/s/${sessionId}`);
  await say(page, "Count");
  await page.getByRole("article", { name: "You" }).waitFor();
  server.kill("SIGKILL");
  await server.result();
  await page.close();
  await restartServer(t, server);
  const again = await browser.open(`/s/${sessionId}`);
  await cardText(again, "Interrupted");
});

test("a failed attempt at another reply is said under the old one after a reload, too", {
  skip,
}, async (t) => {
  const app = await startApp(t, { expectErrors: /./ });
  const sessionId = await createSession(app, { modelId: "scripted:say", messages: ["Hello"] });
  await callJson(app, "UpdateSession", { sessionId, modelId: "scripted:5x1!unavailable@0" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await page.getByRole("button", { name: "Regenerate" }).click();
  for (const round of ["live", "listed"]) {
    await cardText(page, "The model is unavailable");
    await replies(page).filter({ hasText: "Hello" }).waitFor();
    assert.equal(await replies(page).count(), 1, round);
    await page.reload();
  }
});

test("a message whose reply a fork left behind says that none came", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", messages: ["Hello"] });
  const { json } = await callJson(app, "ListMessages", { sessionId });
  const [question] = json.messages as { messageId: string }[];
  const forked = await callJson(app, "ForkSession", {
    sessionId,
    upToMessageId: question?.messageId,
  });
  const page = await (await openBrowser(t, app)).open(`/s/${String(forked.json.sessionId)}`);
  await cardText(page, "No reply came");
  await page.getByRole("button", { name: "Try again" }).click();
  await untilReply(page, "Hello");
});

test("what a reply cost is said after a reload, and of the latest one how long it took", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:3x20", messages: ["One"] });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await say(page, "Two");
  await replies(page).nth(1).getByText(/ s$/).waitFor();
  const live = await replies(page).nth(1).locator(".usage").innerText();
  assert.match(live, /^scripted:3x20 · \d+ tokens? in, 3 out( · first word .* s)? · .* s$/);
  await page.reload();
  const [first, second] = [replies(page).first(), replies(page).nth(1)];
  await second.getByText(live.replace(/first word [^·]* · /, "")).waitFor();
  assert.match(
    await first.locator(".usage").innerText(),
    /^scripted:3x20 · \d+ tokens? in, 3 out$/,
  );
});
