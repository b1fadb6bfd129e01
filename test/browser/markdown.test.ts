import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { startApp } from "../support/app.ts";
import { createSession, openBrowser, replies, say, skip, untilReply } from "./browser.ts";

const text = `# A heading

Text with **bold**, *italic*, ~~struck~~ and \`code\`.

| Name | Value |
| ---- | ----: |
| one  | 1     |
| two  | 2     |

1. first
2. second
   - nested

- [x] done
- [ ] open

> A quotation

\`\`\`python
def add(a, b):
    return a + b  # sum
\`\`\`

Inline $e^{i\\pi} + 1 = 0$, a price of $5 and $6, and

$$
\\sum_{k=1}^n k = \\frac{n(n+1)}{2}
$$

The end.`;

async function reply(page: Page): Promise<void> {
  await say(page, text);
  await untilReply(page, "The end.");
}

test("tables, lists, code and maths are laid out", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await reply(page);
  const shown = replies(page).first();
  await shown.getByRole("heading", { name: "A heading" }).waitFor();
  assert.equal(await shown.getByRole("row").count(), 3);
  assert.equal(await shown.locator("strong").innerText(), "bold");
  assert.equal(await shown.locator("ol > li").count(), 2);
  assert.equal(await shown.locator("li li").innerText(), "nested");
  assert.equal(await shown.getByRole("checkbox").count(), 2);
  assert.equal(await shown.locator("blockquote").innerText(), "A quotation");
  await shown.locator(".token-keyword").filter({ hasText: "return" }).waitFor();
  assert.equal(await shown.locator("pre").innerText(), "def add(a, b):\n    return a + b  # sum");
  await shown.locator(".maths-display math munderover").waitFor();
  assert.equal(await shown.locator("math").count(), 2);
  assert.match(await shown.innerText(), /a price of \$5 and \$6/);
});

test("blocks of HTML are shown as they were written, each by itself", { skip }, async (t) => {
  const app = await startApp(t);
  const list = "<ul>\n  <li>a</li>\n</ul>";
  const sessionId = await createSession(app, {
    modelId: "scripted:say",
    messages: [
      `Before\n\n<div>one</div>\n\n${list}\n\n- ${list.replaceAll("\n", "\n  ")}\n- b\n\nAfter`,
    ],
  });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "After");
  const shown = await replies(page).locator(".markdown").innerText();
  assert.match(shown, /^Before\n+<div>one<\/div>\n+<ul>\n {2}<li>a<\/li>\n<\/ul>\n/);
  assert.equal(await replies(page).locator("li").first().innerText(), list);
});

test("what is laid out stays so while more of it is written", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await page.evaluate(() => {
    const lost: string[] = [];
    const seen = new Set<string>();
    Object.assign(globalThis, { lost });
    const kinds = ["h1", "strong", "table", "ol", "blockquote", "pre", "input"];
    const look = () => {
      const root = document.querySelector('[data-role="model"] > .markdown');
      if (root === null) return;
      for (const kind of kinds) {
        if (root.querySelector(kind) !== null) seen.add(kind);
        else if (seen.has(kind)) lost.push(kind);
      }
      if (/\*\*|~~|```|\| ---/.test(root.textContent ?? "")) lost.push("raw Markdown");
    };
    new MutationObserver(look).observe(document, {
      subtree: true,
      childList: true,
      characterData: true,
    });
  });
  await reply(page);
  assert.deepEqual(await page.evaluate("lost"), []);
});
