import { test } from "node:test";
import { callJson, startApp } from "../support/app.ts";
import { createSession, openBrowser, skip } from "./browser.ts";

test("every chart of /status shows what happened since it was opened", { skip }, async (t) => {
  const app = await startApp(t, { expectErrors: /./ });
  const browser = await openBrowser(t, app);
  await browser.context.clock.install();
  const page = await browser.open("/status");
  const chart = (words: RegExp) => page.getByRole("img", { name: words });
  for (const title of ["Requests", "Tokens out", "Refused or failed"]) {
    await chart(new RegExp(`^${title} over the last two minutes, now 0 `)).waitFor();
  }
  const sessionId = await createSession(app, { modelId: "scripted:500x1" });
  await callJson(app, "SendMessage", { sessionId, message: "One" });
  await callJson(app, "UpdateSession", { sessionId, modelId: "scripted:5x1!unavailable@0" });
  await callJson(app, "SendMessage", { sessionId, message: "Two" });
  await callJson(app, "UpdateSession", { sessionId, modelId: "scripted:1000x50" });
  const running = callJson(app, "SendMessage", { sessionId, message: "Three" });
  await page.clock.fastForward(2_500);
  await chart(/^Requests over .* now [1-9]\d* a minute/).waitFor();
  await chart(/^Tokens out over .* now [1-9]\d* a second/).waitFor();
  await chart(/^Refused or failed over .* now [1-9]\d* a minute/).waitFor();
  await chart(/^First chunk over .* now \d+\.\d\d s on average/).waitFor();
  await page.clock.fastForward(2_500);
  await chart(/^Running turns over .* now 1/).waitFor();
  await callJson(app, "CancelTurn", { sessionId });
  await running;
});
