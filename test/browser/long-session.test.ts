import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ChatService } from "../../src/gen/chat/chat_pb.ts";
import { callJson, startApp } from "../support/app.ts";
import {
  createSession,
  openBrowser,
  replies,
  say,
  skip,
  untilIdle,
  untilReply,
} from "./browser.ts";

test("a session of 1,000 messages opens at its end, stays small in the page, and is read to its top", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const transport = createConnectTransport({ baseUrl: app.url, httpVersion: "2" });
  const chat = createClient(ChatService, transport);
  for (let turn = 1; turn <= 500; turn += 1) {
    await chat.sendMessage({ sessionId, message: `Turn ${turn}\n\n- a\n- b` });
  }
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "Turn 500");
  await page.getByText("Turn 500").last().waitFor();
  assert.ok(
    (await page.locator(".row").count()) < 40,
    "only what is near the screen is in the page",
  );
  // The other pages come, each when the top is reached, and what was seen before stays where it was.
  await page.waitForFunction(() => {
    const conversation = document.querySelector(".conversation");
    if (conversation) conversation.scrollTop = 0;
    const [first] = document.querySelectorAll('[data-role="user"]');
    return first?.textContent?.startsWith("Turn 1\n");
  });
  await page
    .getByRole("article", { name: "You" })
    .filter({ hasText: /^\s*Turn 1\s/ })
    .waitFor();
  assert.ok((await page.locator(".row").count()) < 40);
  await page.getByRole("button", { name: "Jump to the latest message" }).click();
  await page.getByText("Turn 500").last().waitFor();
  await say(page, "Turn 501");
  await untilReply(page, "Turn 501");
});

test("while a reply is written nothing above it moves, and its end stays in sight", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const modelId = "scripted:say";
  const messages = Array.from({ length: 12 }, (_, i) => `Message ${i + 1}\n\nwith two paragraphs`);
  const sessionId = await createSession(app, { modelId, messages });
  await callJson(app, "UpdateSession", { sessionId, modelId: "scripted:400x5" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "Message 12");
  await page.evaluate(() => {
    let shift = 0;
    Object.assign(globalThis, { layoutShift: () => shift });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) shift += (entry as unknown as { value: number }).value;
    }).observe({ type: "layout-shift", buffered: false });
  });
  await say(page, "Count");
  await replies(page).last().filter({ hasText: "w100 " }).waitFor();
  const distance = () =>
    page.locator(".conversation").evaluate((element) => {
      return element.scrollHeight - element.scrollTop - element.clientHeight;
    });
  assert.ok((await distance()) < 80, "it follows the end");
  await page.mouse.move(700, 300);
  await page.mouse.wheel(0, -600);
  await page.getByRole("button", { name: "Jump to the latest message" }).waitFor();
  const top = () => page.locator(".conversation").evaluate((element) => element.scrollTop);
  const before = await top();
  await untilIdle(page);
  assert.equal(await top(), before, "somebody who reads further up is left alone");
  await page.getByRole("button", { name: "Jump to the latest message" }).click();
  await replies(page).last().filter({ hasText: "w400" }).waitFor();
  assert.ok((await distance()) < 80);
  const shift = (await page.evaluate("layoutShift()")) as number;
  assert.ok(shift < 0.02, `a layout shift of ${shift}`);
});
