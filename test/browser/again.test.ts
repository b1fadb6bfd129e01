import assert from "node:assert/strict";
import { test } from "node:test";
import { callJson, startApp } from "../support/app.ts";
import {
  chooseModel,
  createSession,
  forwardUntilShown,
  openBrowser,
  replies,
  say,
  skip,
  untilReply,
} from "./browser.ts";

/** The request_id that a StreamChat carries. */
const idOf = (body: Buffer | null) => /[0-9a-f]{32}/.exec(body?.toString("latin1") ?? "")?.[0];

test("a reply that failed after its first words is written again, and takes the old one's place", {
  skip,
}, async (t) => {
  const app = await startApp(t, { expectErrors: /./ });
  const sessionId = await createSession(app, { modelId: "scripted:5x1!unavailable@2" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await say(page, "Count");
  await page.locator(".card").getByText("The model is unavailable", { exact: true }).waitFor();
  await chooseModel(page, "scripted:50x20");
  await page.getByRole("button", { name: "Try again" }).click();
  await untilReply(page, "w50");
  assert.equal(await replies(page).count(), 1);
  assert.equal(await page.locator(".card").count(), 0);
  const { json } = await callJson(app, "ListMessages", { sessionId, includeReplaced: true });
  const messages = json.messages as { role: string; text: string; replacedByTurnId?: string }[];
  assert.deepEqual(
    messages.map(({ role, text, replacedByTurnId }) => [
      role,
      text.slice(0, 6),
      Boolean(replacedByTurnId),
    ]),
    [
      ["USER", "Count", false],
      ["MODEL", "w1 w2 ", true],
      ["MODEL", "w1 w2 ", false],
    ],
  );
});

test("a message of which nobody can tell whether it arrived is sent again as the same one", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:3x1" });
  const browser = await openBrowser(t, app, { expectErrors: /ERR_|Failed to load resource/ });
  await browser.context.clock.install();
  const page = await browser.open(`/s/${sessionId}`);
  const ids: (string | undefined)[] = [];
  await page.route(/StreamChat/, async (route) => {
    ids.push(idOf(route.request().postDataBuffer()));
    await route.abort("connectionreset");
  });
  await say(page, "Count");
  const card = page.getByText("This may not have been sent");
  await forwardUntilShown(page, card, 20_000);
  await page.unroute(/StreamChat/);
  const sentAgain = page.waitForRequest(/StreamChat/);
  await page.getByRole("button", { name: "Send again" }).click();
  ids.push(idOf((await sentAgain).postDataBuffer()));
  await untilReply(page, "w1 w2 w3");
  assert.equal(new Set(ids).size, 1);
  assert.equal((await app.metrics()).get("chatwire_scripted_model_calls_total"), 1);
});
