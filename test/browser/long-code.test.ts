import assert from "node:assert/strict";
import { test } from "node:test";
import { startApp } from "../support/app.ts";
import { createSession, openBrowser, replies, skip, untilReply } from "./browser.ts";

const codeOf = (lines: number) =>
  `\`\`\`ts\n${Array.from({ length: lines }, (_, i) => `const a${i} = "${i}"; // ${i}`).join("\n")}\n\`\`\`\n\nend`;

test("code is coloured part by part, and very long code is left plain", { skip }, async (t) => {
  const app = await startApp(t);
  const messages = [codeOf(2_000), codeOf(400)];
  const sessionId = await createSession(app, { modelId: "scripted:say", messages });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "end");
  const short = replies(page).last().locator("pre");
  await short.locator(".token-comment").nth(399).waitFor();
  assert.equal(await short.locator(".token-comment").count(), 400);
  const text = await short.textContent();
  assert.ok(text === codeOf(400).split("\n").slice(1, -3).join("\n"), "not a character is lost");
  await page.waitForFunction(() => {
    const list = document.querySelector(".conversation");
    if (list) list.scrollTop = 0;
    return document.querySelector("pre")?.textContent?.includes("const a1999 ");
  });
  assert.equal(await replies(page).first().locator("pre span").count(), 0);
});
