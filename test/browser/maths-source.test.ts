import assert from "node:assert/strict";
import { test } from "node:test";
import { callJson, startApp } from "../support/app.ts";
import { createSession, openBrowser, replies, say, skip, untilReply } from "./browser.ts";

test("dollars and brackets that are no maths leave the rest of a reply alone", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const messages = [
    "The shell has $$ as its pid.\n\n# Heading\n\n- item one",
    "match a bracket write \\[ in a regex\n\n# Heading\n\n- item one",
    "Run:\n\n    echo $$ and $a$ done\n\nThen $HOME/bin:$PATH.\n\n# Heading\n\n- item one",
  ];
  const sessionId = await createSession(app, { modelId: "scripted:say", messages });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "item one");
  for (const index of messages.keys()) {
    const reply = replies(page).nth(index);
    await reply.getByRole("heading", { name: "Heading" }).waitFor();
    assert.equal(await reply.getByRole("listitem").count(), 1);
    assert.equal(await reply.locator(".maths, .maths-source").count(), 0);
  }
  await replies(page).nth(0).getByText("The shell has $$ as its pid.").waitFor();
  await replies(page).nth(2).locator("pre").filter({ hasText: "echo $$ and $a$ done" }).waitFor();
  await replies(page).nth(2).getByText("$HOME/bin:$PATH").waitFor();
  // Streamed as well, piece by piece.
  await say(page, messages[0] ?? "");
  await untilReply(page, "item one");
  await replies(page).last().getByRole("heading", { name: "Heading" }).waitFor();
  assert.equal(await replies(page).last().locator(".maths, .maths-source").count(), 0);
});

test("maths goes on behind code in lists and quotes", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const message =
    "1. First:\n\n   ```js\n   const a = 1;\n   ```\n\n2. Then $x^2$ and \\(y_1\\) hold.\n\n" +
    "> ```sh\n> echo $$\n> ```\n> $z$\n\n$$\\int_0^1 x\\,dx$$";
  await callJson(app, "SendMessage", { sessionId, message });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await untilReply(page, "First");
  await page.locator(".maths-display math").waitFor();
  assert.equal(await page.locator("math").count(), 4);
  assert.equal(await page.locator("figure.code-block").count(), 2);
});
