import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { startApp } from "../support/app.ts";
import { createModel, createTestProvider, finish, textPart } from "../support/models.ts";
import { createSession, openBrowser, replies, say, skip, untilReply } from "./browser.ts";

/** The parts of a reply, each with a word that is seen once it is laid out. */
const blocks: readonly (readonly [markdown: string, shown: string])[] = [
  ["# A heading\n\nA paragraph that begins", "begins"],
  [" and goes on with `code`, **bold** and a [link](https://good.example/).\n\n", "and a link"],
  ["- one\n- two\n  - nested\n\n", "nested"],
  ["| a | b |\n|---|---|\n| 1 | 2 |\n", "2"],
  ["| 3 | later |\n\nBehind the table.\n\n", "Behind the table."],
  ["```ts\nconst a = 1; // first\n", "first"],
  ["const b = a;\n```\n\nBehind the code.\n\n", "Behind the code."],
  [
    "Inline $\\frac{a}{b}$ and\n\n$$\n\\sum_{k=1}^n \\frac{k}{2}\n$$\n\nBehind maths.\n\n",
    "Behind maths",
  ],
  ["![picture](https://elsewhere.example/a.png)\n\n> quoted\n\nThe end.", "The end."],
];

/**
 * Notes in every frame where the rows and the blocks of the last reply begin, from the top of the conversation's
 * content, and which of them have moved since they were first seen.
 */
async function noteMoves(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const firstSeen = new Map<string, number>();
    const moves: string[] = [];
    const look = () => {
      const rows = document.querySelector(".rows");
      const top = rows?.getBoundingClientRect().top ?? 0;
      const note = (name: string, element: Element) => {
        const place = Math.round(element.getBoundingClientRect().top - top);
        const before = firstSeen.get(name) ?? place;
        firstSeen.set(name, place);
        if (Math.abs(before - place) > 1) moves.push(`${name} from ${before} to ${place}`);
      };
      for (const row of document.querySelectorAll<HTMLElement>(".row")) {
        note(`row ${row.dataset.index}`, row);
      }
      const written = [...document.querySelectorAll('[data-role="model"] > .markdown')].at(-1);
      // Around a block is an element without a box, which has its direction.
      const shown = written?.querySelectorAll(":scope > [dir] > *") ?? [];
      for (const [index, block] of [...shown].entries()) {
        note(`block ${index} of ${document.querySelectorAll(".row").length}`, block);
      }
      requestAnimationFrame(look);
    };
    look();
    Object.assign(globalThis, { layoutMoves: moves });
  });
  return () => page.evaluate("layoutMoves") as Promise<string[]>;
}

test("while a reply is written, what is there stays where it is", { skip }, async (t) => {
  const gates = blocks.map(() => Promise.withResolvers<void>());
  const model = createModel(async function* () {
    for (const [index, [markdown]] of blocks.entries()) {
      yield textPart(markdown);
      await gates[index]?.promise;
    }
    yield finish;
  });
  const app = await startApp(t, { overrides: { providers: [createTestProvider(model)] } });
  const sessionId = await createSession(app, { modelId: "test" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  // What lays out maths comes some frames late, as over a line.
  await page.route(/assets\/maths/, async (route) => {
    await page.evaluate(async () => {
      for (let frame = 0; frame < 20; frame += 1) await new Promise(requestAnimationFrame);
    });
    await route.continue();
  });
  await say(page, "Write");
  await replies(page).filter({ hasText: "begins" }).waitFor();
  const moves = await noteMoves(page);
  for (const [index, [, shown]] of blocks.entries()) {
    await replies(page).filter({ hasText: shown }).waitFor();
    gates[index]?.resolve();
  }
  await untilReply(page, "The end.");
  await page.locator(".maths-display math").waitFor();
  assert.deepEqual(await moves(), []);
});

test("a reply whose maths cannot be laid out is shown with the source of it", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const browser = await openBrowser(t, app, { expectErrors: /ERR_FAILED|Failed to load resource/ });
  const page = await browser.open(`/s/${sessionId}`);
  await page.route(/assets\/maths/, (route) => route.abort());
  await say(page, "Before $x^2$ and behind it.");
  await untilReply(page, "Before x^2 and behind it.");
});
