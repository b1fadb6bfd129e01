import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { startApp } from "../support/app.ts";
import { seededShare } from "../support/seeded.ts";
import {
  createSession,
  messageField,
  openBrowser,
  replies,
  skip,
  untilIdle,
  untilReply,
} from "./browser.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds that keeps somebody out: serious and critical alike. */
async function seriousFindings(page: Page): Promise<string[]> {
  // By the debugger's door: the page's own policy lets no foreign script in.
  await page.evaluate(axe);
  const findings = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run();
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  });
  return findings;
}

type Axe = {
  run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
};

const rich =
  "# Title\n\nA [link](https://good.example) and `code`.\n\n| a | b |\n|-|-|\n| 1 | 2 |\n\n```ts\nconst a = 1; // b\n```\n\n- [x] done\n\n$x^2$";

const appearances = [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["phone", { viewport: { width: 390, height: 844 }, hasTouch: true }],
] as const;

for (const [name, options] of seededShare("axe", appearances, 1)) {
  test(`axe finds nothing serious (${name})`, { skip }, async (t) => {
    const app = await startApp(t, { expectErrors: /./ });
    const messages = ["Hello", rich];
    const sessionId = await createSession(app, {
      modelId: "scripted:say",
      title: "Chat",
      messages,
    });
    const failing = await createSession(app, { modelId: "scripted:5x1!end@2", messages: ["Fail"] });
    const browser = await openBrowser(t, app, { ...options, expectErrors: /404/ });
    const page = await browser.open(`/s/${sessionId}`);
    await untilReply(page, "Title");
    await page.locator(".maths math").waitFor();
    await page.locator(".token-comment").waitFor();
    assert.deepEqual(await seriousFindings(page), []);
    await page.getByRole("button", { name: "Settings of this chat" }).click();
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(await seriousFindings(page), []);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    if (name === "phone") {
      await page.getByRole("button", { name: "Open the list of chats" }).click();
      await page.getByRole("link", { name: "Chat", exact: true }).waitFor();
      assert.deepEqual(await seriousFindings(page), []);
    }
    for (const [path, text] of [
      ["/", "What is on your mind?"],
      ["/status", /^Up for/],
      ["/s/none", "This chat is not there."],
      [`/s/${failing}`, "Broke off"],
    ] as const) {
      await page.goto(app.url + path);
      await page.getByText(text).first().waitFor();
      assert.deepEqual(await seriousFindings(page), [], path);
    }
  });
}

test("everything is reached and done by keyboard", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, {
    modelId: "scripted:say",
    title: "Chat",
    messages: ["Hello"],
  });
  const page = await (await openBrowser(t, app)).open();
  await page.getByRole("link", { name: "Chat", exact: true }).waitFor();
  await page.keyboard.press("Control+k");
  const focused = () =>
    page.evaluate(
      () =>
        document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent,
    );
  assert.equal(await focused(), "Search in chats");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Chat");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Rename “Chat”");
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(sessionId));
  await untilReply(page, "Hello");
  assert.equal(await focused(), "Message");
  await page.keyboard.type("One");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("Two");
  await page.keyboard.press("Enter");
  await untilReply(page, /One\s+Two/);
  for (let presses = 0; (await focused()) !== "Regenerate"; presses += 1) {
    assert.ok(presses < 12, "Regenerate is near");
    await page.keyboard.press("Shift+Tab");
  }
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Regenerate" }).waitFor();
  await untilIdle(page);
  assert.equal(await replies(page).count(), 2);
  await messageField(page).focus();
});
