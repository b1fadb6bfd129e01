import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { startApp } from "../support/app.ts";
import { seededShare } from "../support/seeded.ts";
import { createSession, messageField, openBrowser, skip, untilReply } from "./browser.ts";

/** How light the page's ground and its words are, from 0 to 1. */
async function lightness(page: Page): Promise<{ ground: number; words: number }> {
  return page.evaluate(() => {
    const lightnessOf = (color: string) => {
      const context = new OffscreenCanvas(1, 1).getContext("2d");
      if (context === null) throw new Error("no canvas");
      context.fillStyle = color;
      context.fillRect(0, 0, 1, 1);
      const [red = 0, green = 0, blue = 0] = context.getImageData(0, 0, 1, 1).data;
      return (red + green + blue) / 765;
    };
    const { backgroundColor, color } = getComputedStyle(document.body);
    return { ground: lightnessOf(backgroundColor), words: lightnessOf(color) };
  });
}

test("the page is light or dark as the system is, also when that changes", { skip }, async (t) => {
  const app = await startApp(t);
  const page = await (await openBrowser(t, app, { colorScheme: "dark" })).open();
  await messageField(page).waitFor();
  const dark = await lightness(page);
  assert.ok(dark.ground < 0.2 && dark.words > 0.8, JSON.stringify(dark));
  await page.emulateMedia({ colorScheme: "light" });
  const light = await lightness(page);
  assert.ok(light.ground > 0.9 && light.words < 0.3, JSON.stringify(light));
});

const wide = `${"A_word_without_an_end_".repeat(20)}

| ${"Column | ".repeat(14)}
|${"---|".repeat(14)}
| ${"value | ".repeat(14)}

\`\`\`ts
const line = "${"long ".repeat(60)}";
\`\`\`

$$ ${"x + ".repeat(60)} y $$

The end.`;

for (const width of seededShare("width", [320, 390, 768, 1_280, 2_560], 1)) {
  test(`nothing is cut off or scrolls sideways at ${width} pixels`, { skip }, async (t) => {
    const app = await startApp(t);
    const messages = [wide];
    const sessionId = await createSession(app, {
      modelId: "scripted:say",
      messages,
      title: wide.slice(0, 150),
    });
    const viewport = { width, height: 740 };
    const page = await (await openBrowser(t, app, { viewport })).open(`/s/${sessionId}`);
    for (const path of [`/s/${sessionId}`, "/", "/status"]) {
      await page.goto(app.url + path);
      if (path.length > 10) {
        await untilReply(page, "The end.");
        await page.locator(".maths-display math").waitFor();
      } else
        await page
          .getByText(/What is on your mind|^Up for/)
          .first()
          .waitFor();
      const overflow = await page.evaluate(() => {
        const limit = document.documentElement.clientWidth;
        const scrollsItself = (element: Element): boolean =>
          element.closest("pre, .maths-display, .table-scroll, .visually-hidden, aside, nav") !==
            null || /auto|scroll|hidden/.test(getComputedStyle(element).overflowX);
        const outside = [...document.querySelectorAll("main *")].filter((element) => {
          const { left, right, width: own } = element.getBoundingClientRect();
          return own > 1 && (right > limit + 1 || left < -1);
        });
        const cut = outside.filter((element) => {
          for (
            let each: Element | null = element.parentElement;
            each !== null;
            each = each.parentElement
          ) {
            if (each.matches("main")) break;
            if (scrollsItself(each) && !each.matches(".conversation")) return false;
          }
          return true;
        });
        return {
          page: document.documentElement.scrollWidth - limit,
          conversation: [...document.querySelectorAll(".conversation")].map(
            (each) => each.scrollWidth - each.clientWidth,
          ),
          cut: cut.map((each) => each.outerHTML.slice(0, 80)),
        };
      });
      const none = overflow.conversation.map(() => 0);
      assert.deepEqual(overflow, { page: 0, conversation: none, cut: [] }, path);
      if (path !== "/status") {
        const field = await messageField(page).boundingBox();
        assert.ok(field && field.width >= 200 && field.y + field.height <= 740, path);
      }
    }
  });
}

test("words in a table stay whole, and the table scrolls by itself", { skip }, async (t) => {
  const app = await startApp(t);
  const table = (columns: number) =>
    `${"| A ".repeat(columns)}|\n${"|-".repeat(columns)}|\n${"| Authentication 41,285,123 ".repeat(columns)}|`;
  const sessionId = await createSession(app, {
    modelId: "scripted:say",
    messages: [`${[2, 8, 60].map(table).join("\n\n")}\n\nThe end.`],
  });
  const viewport = { width: 390, height: 844 };
  const page = await (await openBrowser(t, app, { viewport })).open(`/s/${sessionId}`);
  await untilReply(page, "The end.");
  const lines = await page.locator(".markdown td").evaluateAll((cells) => {
    const linesOf = (cell: Element) => {
      const range = document.createRange();
      range.selectNodeContents(cell);
      return new Set([...range.getClientRects()].map(({ top }) => top)).size;
    };
    return [...new Set(cells.map(linesOf))];
  });
  // Two words: one line where there is room, and else a line for each.
  assert.deepEqual(
    lines.filter((count) => count > 2),
    [],
  );
  const scrolled = await page
    .locator(".table-scroll")
    .evaluateAll((boxes) => boxes.map((box) => box.scrollWidth > box.clientWidth));
  assert.deepEqual(scrolled, [false, true, true]);
  const overflow = await page.evaluate(() => [
    document.documentElement.scrollWidth - document.documentElement.clientWidth,
    ...[...document.querySelectorAll(".conversation")].map(
      (each) => each.scrollWidth - each.clientWidth,
    ),
  ]);
  assert.deepEqual(overflow, [0, 0]);
});
