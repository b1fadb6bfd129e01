import assert from "node:assert/strict";
import { test } from "node:test";
import { callJson, startApp } from "../support/app.ts";
import { createSession, openBrowser, replies, say, skip, untilReply } from "./browser.ts";

const many = 10_000;

/** What nobody writes, and what fills the stack of whatever lays it out. */
const deep = [
  `${">".repeat(3_000)} end`,
  `${"> - ".repeat(many / 4)}end`,
  `${"1. ".repeat(many / 2)}end`,
  `${"[".repeat(many)}a${"](b)".repeat(many / 4)} end`,
  `${"![".repeat(many)} end`,
  `${"*".repeat(many)}a${"*".repeat(many)} end`,
  `${"*a _b ".repeat(many / 4)}end`,
  `${"<div>".repeat(many / 4)} end`,
  Array.from({ length: 150 }, (_, level) => `${"  ".repeat(level)}- end`).join("\n"),
];

test("a reply that is nested without end is shown as it was written", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  for (const message of deep) {
    assert.equal((await callJson(app, "SendMessage", { sessionId, message })).status, 200);
  }
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "end");
  const message = `${deep[0]} of the second`;
  await say(page, message);
  await untilReply(page, "end of the second");
  const text = await replies(page).last().locator(".markdown").textContent();
  assert.ok(text === message, "streamed, it is as it was written");
});

test("a formula that is nested without end is shown as it was written", { skip }, async (t) => {
  const app = await startApp(t);
  const formulas = [
    `$${"{".repeat(3_000)}x${"}".repeat(3_000)}$`,
    `$${"\\sqrt{".repeat(1_000)}x${"}".repeat(1_000)}$`,
    `$${"\\displaystyle ".repeat(500)}x$`,
    `$${"x^{".repeat(150)}x${"}".repeat(150)}$`,
    `$${"{".repeat(10_000)}x${"}".repeat(10_000)}$`,
  ];
  const messages = [`${formulas.join("\n\n")}\n\nend $y$`];
  const sessionId = await createSession(app, { modelId: "scripted:say", messages });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "end");
  await page.locator("math").filter({ hasText: /^y$/ }).waitFor();
  assert.equal(await page.locator("math").count(), 1);
  assert.equal(await page.locator(".maths-source").count(), formulas.length);
});
