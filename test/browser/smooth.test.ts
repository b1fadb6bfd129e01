import assert from "node:assert/strict";
import { test } from "node:test";
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

test("a piece of a reply changes its own row, and not one element of those above", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const messages = Array.from({ length: 30 }, (_, i) => `Message ${i + 1}\n\n- \`a\`\n- **b**`);
  const sessionId = await createSession(app, { modelId: "scripted:say", messages });
  await callJson(app, "UpdateSession", { sessionId, modelId: "scripted:10000x5" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "Message 30");
  await say(page, "Count");
  await replies(page).last().filter({ hasText: "w5 " }).waitFor();
  await page.evaluate(() => {
    const counts = { own: 0, others: [] as string[] };
    Object.assign(globalThis, { touched: counts });
    const last = [...document.querySelectorAll<HTMLElement>(".row")].at(-1)?.dataset.index;
    new MutationObserver((records) => {
      for (const { target, type } of records) {
        const element = target instanceof Element ? target : target.parentElement;
        const row = element?.closest<HTMLElement>(".row");
        if (row === null || row === undefined) continue;
        if (row.dataset.index === last) counts.own += 1;
        else counts.others.push(`${type} in row ${row.dataset.index}: ${element?.outerHTML}`);
      }
    }).observe(document.querySelector(".rows") ?? document.body, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
    });
  });
  await page.waitForFunction(
    () => (globalThis as unknown as { touched: { own: number } }).touched.own > 50,
  );
  const touched = (await page.evaluate("touched")) as { others: string[] };
  assert.deepEqual(touched.others, []);
  await page.getByRole("button", { name: "Stop" }).click();
  await untilIdle(page);
});
