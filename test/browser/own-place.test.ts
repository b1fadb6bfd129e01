import assert from "node:assert/strict";
import { test } from "node:test";
import { callJson, startApp } from "../support/app.ts";
import { createSession, openBrowser, replies, say, skip, untilReply } from "./browser.ts";

test("maths that reaches out of its message is cut off there", { skip }, async (t) => {
  const app = await startApp(t);
  const messages = [
    "Above $x$",
    "$\\smash{\\rule{2000em}{2000em}}$ and $\\kern-40em\\raisebox{8em}{\\colorbox{red}{X}}$ reach",
    "Below",
  ];
  const sessionId = await createSession(app, { modelId: "scripted:say", messages });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "Below");
  await replies(page).nth(1).locator("math").nth(1).waitFor();
  for (const index of [0, 2]) {
    const text = replies(page).nth(index).locator("p").first();
    const isOnTop = await text.evaluate((element) => {
      const { x, y, height } = element.getBoundingClientRect();
      const found = document.elementFromPoint(x + 5, y + height / 2);
      return found !== null && element.contains(found);
    });
    assert.ok(isOnTop, `message ${index} is not covered`);
  }
  const clipped = await replies(page)
    .nth(1)
    .locator(".markdown")
    .evaluate((element) => getComputedStyle(element).overflow);
  assert.equal(clipped, "clip");
  const overflow = await page.locator(".conversation").evaluate((element) => {
    return element.scrollWidth - element.clientWidth;
  });
  assert.equal(overflow, 0);
});

test("one's own message is seen, wherever one was when it was sent", { skip }, async (t) => {
  const app = await startApp(t);
  const messages = Array.from({ length: 20 }, (_, i) => `Message ${i}\n\n- a\n- b\n- c\n- d`);
  const sessionId = await createSession(app, { modelId: "scripted:say", messages });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "Message 19");
  await page.waitForFunction(() => {
    const list = document.querySelector(".conversation");
    if (list) list.scrollTop = 0;
    return !document.querySelector(".rows")?.textContent?.includes("Message 19");
  });
  await say(page, "The last word");
  await untilReply(page, "The last word");
  await page.getByRole("article", { name: "You" }).filter({ hasText: "The last word" }).waitFor();
});

test("a long chat is opened by one reading of its messages", { skip }, async (t) => {
  const app = await startApp(t);
  const messages = Array.from({ length: 60 }, (_, i) => `Message ${i}\n\n- a\n- b\n- c\n- d`);
  const sessionId = await createSession(app, { modelId: "scripted:say", messages });
  const browser = await openBrowser(t, app);
  let readings = 0;
  browser.context.on("request", (request) => {
    if (request.url().includes("ListMessages")) readings += 1;
  });
  const page = await browser.open(`/s/${sessionId}`);
  await untilReply(page, "Message 59");
  await page.evaluate(async () => {
    for (let frames = 0; frames < 10; frames += 1) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  });
  assert.equal(readings, 1);
});

test("a chat without a title is called by its first words, or untitled", { skip }, async (t) => {
  const app = await startApp(t);
  const modelId = "scripted:say";
  const named = await createSession(app, { modelId, messages: ["What is a **fjord**?", "More"] });
  const bare = await createSession(app, { modelId });
  const page = await (await openBrowser(t, app)).open(`/s/${named}`);
  await page.getByRole("heading", { name: "What is a fjord?", level: 1 }).waitFor();
  await page.waitForFunction(() => document.title === "What is a fjord? · chatwire");
  await page.goto(`${app.url}/s/${bare}`);
  await page.getByRole("heading", { name: "Untitled chat", level: 1 }).waitFor();
});

test("what is written from right to left is laid out so", { skip }, async (t) => {
  const app = await startApp(t);
  const hebrew = "שלום עולם";
  const sessionId = await createSession(app, {
    modelId: "scripted:say",
    title: hebrew,
    messages: [
      `${hebrew} \`a\`\n\n- ${hebrew}\n\nEnglish with $$ in it\n\n\`\`\`\n${hebrew}\n\`\`\``,
    ],
  });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "English");
  const directionOf = (selector: string) =>
    page
      .locator(selector)
      .first()
      .evaluate((element) => getComputedStyle(element).direction);
  for (const selector of [".bubble", ".markdown p", ".markdown li", ".session-title", "h1"]) {
    assert.equal(await directionOf(selector), "rtl", selector);
  }
  assert.equal(await directionOf('.markdown p:text("English")'), "ltr");
  assert.equal(await directionOf(".markdown p code"), "ltr");
  assert.equal(await directionOf(".markdown pre"), "ltr");
  await page.getByRole("textbox", { name: "Message" }).fill(hebrew);
  assert.equal(await directionOf(".composer textarea"), "rtl");
  await page.getByRole("button", { name: "Settings of this chat" }).click();
  await page.getByRole("textbox", { name: "Instruction" }).fill(hebrew);
  assert.equal(await directionOf("dialog textarea"), "rtl");
});

test("each paragraph, item and cell goes by its own words, also beside footnotes", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const hebrew = "שלום עולם";
  const text = `English is most of what stands here, by far.[^1]

${hebrew}

- English
- ${hebrew} \`a\`
  - nested

> - ${hebrew}

| ${hebrew} | 42 |
|-|-|
| English | ${hebrew} |

[^1]: note`;
  const sessionId = await createSession(app, { modelId: "scripted:say", messages: [text] });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "note");
  const directions = await replies(page)
    .locator(".markdown :is(p, li, blockquote, th, td)")
    .evaluateAll((elements) =>
      elements.map((element) => [
        `${element.localName} ${element.textContent?.trim().split(/\s/)[0]}`,
        getComputedStyle(element).direction,
      ]),
    );
  assert.deepEqual(directions, [
    ["p English", "ltr"],
    ["p שלום", "rtl"],
    ["li English", "ltr"],
    ["li שלום", "rtl"],
    ["li nested", "ltr"],
    ["blockquote שלום", "rtl"],
    ["li שלום", "rtl"],
    ["th שלום", "rtl"],
    ["th 42", "ltr"],
    ["td English", "ltr"],
    ["td שלום", "rtl"],
    ["li note", "ltr"],
    ["p note", "ltr"],
  ]);
  // The mark of an item has its room on the item's own side.
  const rooms = await page
    .locator(".markdown ul")
    .first()
    .evaluate((list) => {
      const outer = list.getBoundingClientRect();
      return [...list.children].map((item) => {
        const { left, right } = item.getBoundingClientRect();
        return [left - outer.left > 10, outer.right - right > 10];
      });
    });
  assert.deepEqual(rooms, [
    [true, false],
    [false, true],
  ]);
});

test("quotes within quotes, tasks and missing pages look as they should", { skip }, async (t) => {
  const app = await startApp(t, { expectErrors: /./ });
  const sessionId = await createSession(app, {
    modelId: "scripted:say",
    messages: ["> a\n> > b\n\n- [ ] task\n- item"],
  });
  const browser = await openBrowser(t, app, { expectErrors: /404/ });
  const page = await browser.open(`/s/${sessionId}`);
  await untilReply(page, "task");
  const inset = await page.locator("blockquote blockquote").evaluate((inner) => {
    const outer = inner.parentElement?.getBoundingClientRect().left ?? 0;
    return inner.getBoundingClientRect().left - outer;
  });
  assert.ok(inset < 30, `${inset} pixels`);
  const bullets = await page
    .locator(".markdown li")
    .evaluateAll((items) => items.map((item) => getComputedStyle(item).listStyleType));
  assert.deepEqual(bullets, ["none", "disc"]);
  const { status } = await callJson(app, "GetSessionInfo", { sessionId });
  assert.equal(status, 200);
  await page.goto(`${app.url}/foo/bar`);
  await page.getByRole("heading", { name: "There is no such page." }).waitFor();
  assert.equal(await page.title(), "No such page · chatwire");
  await page.goto(`${app.url}/s/none`);
  await page.getByText("This chat is not there.").waitFor();
  assert.equal(await page.title(), "No such chat · chatwire");
  await page.goto(`${app.url}/status/`);
  await page.getByText(/^Up for /).waitFor();
});
