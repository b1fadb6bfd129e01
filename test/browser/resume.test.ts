import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page, Route } from "playwright-core";
import { callJson, startApp, type TestApp } from "../support/app.ts";
import { seededShare } from "../support/seeded.ts";
import { restartServer, startServer } from "../support/server-process.ts";
import {
  createSession,
  openBrowser,
  replies,
  say,
  skip,
  untilIdle,
  untilReply,
} from "./browser.ts";

const whole = (chunks: number) => Array.from({ length: chunks }, (_, i) => `w${i + 1}`).join(" ");

/** Notes every state that the last reply is seen in, from the first script of the page on. */
async function noteReplies(page: Page): Promise<() => Promise<string[]>> {
  await page.addInitScript(() => {
    const seen: string[] = [];
    Object.assign(globalThis, { seenReplies: seen });
    const look = () => {
      const texts = document.querySelectorAll('[data-role="model"] .markdown');
      const text = texts[texts.length - 1]?.textContent ?? "";
      if (text !== "" && text !== seen.at(-1)) seen.push(text);
    };
    new MutationObserver(look).observe(document, {
      subtree: true,
      childList: true,
      characterData: true,
    });
  });
  return () => page.evaluate("seenReplies") as Promise<string[]>;
}

/** What was seen only ever grew, and at its end is the whole reply. */
function assertOnlyGrew(seen: readonly string[], expected: string): void {
  for (const [index, text] of seen.entries()) {
    const before = (seen[index - 1] ?? "").trim();
    assert.ok(text.startsWith(before), `after “${before}” came “${text}”`);
  }
  assert.equal(seen.at(-1)?.trim(), expected);
}

for (const tls of seededShare("reload", [false, true], 1)) {
  const wire = tls ? "TLS, HTTP/2" : "HTTP/1.1";
  test(`a reload in mid reply goes on where it was, nothing twice (${wire})`, {
    skip,
  }, async (t) => {
    const app = await startApp(t, { tls });
    const sessionId = await createSession(app, { modelId: "scripted:2000x20" });
    const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
    await say(page, "Count");
    await replies(page).filter({ hasText: "w10 " }).waitFor();
    const seen = await noteReplies(page);
    await page.reload();
    await page.waitForFunction(
      () => (globalThis as unknown as { seenReplies: string[] }).seenReplies.length > 10,
    );
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("Stopped", { exact: true }).waitFor();
    const states = await seen();
    assert.match(states[0] ?? "", /^w1 .*w10 /, "it began with what was there");
    const { json } = await callJson(app, "ListMessages", { sessionId });
    const [, reply] = json.messages as { text: string }[];
    assertOnlyGrew(states, reply?.text.trim() ?? "");
    const protocol = await page.evaluate(() => {
      const [first] = performance.getEntriesByType("navigation");
      return (first as PerformanceNavigationTiming).nextHopProtocol;
    });
    assert.equal(protocol, tls ? "h2" : "http/1.1");
  });
}

test("a page that is closed in mid reply finds it whole when it comes back", {
  skip,
}, async (t) => {
  const app = await startApp(t, { env: { DISCONNECT_GRACE_MS: "1" } });
  const sessionId = await createSession(app, { modelId: "scripted:60x10" });
  const browser = await openBrowser(t, app);
  const page = await browser.open(`/s/${sessionId}`);
  await say(page, "Count");
  await replies(page).filter({ hasText: "w3 " }).waitFor();
  await page.close();
  await untilEnded(app, sessionId);
  const again = await browser.open(`/s/${sessionId}`);
  await untilReply(again, whole(60));
});

async function untilEnded(app: TestApp, sessionId: string): Promise<void> {
  // A watch of the session until it is idle ends with the turn, and needs no looking.
  const path = `${app.url}/chat.ChatService/WatchSession`;
  const body = Buffer.from(JSON.stringify({ sessionId, untilIdle: true }));
  const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]);
  const headers = { "content-type": "application/connect+json", connection: "close" };
  await (await fetch(path, { method: "POST", headers, body: framed })).arrayBuffer();
}

test("the server killed in mid reply is survived", { skip }, async (t) => {
  const server = await startServer(t);
  const sessionId = await createSession(server, { modelId: "scripted:2000x20" });
  const browser = await openBrowser(t, server, { expectErrors: /ERR_|Failed to load resource/ });
  const page = await browser.open(`/s/${sessionId}`);
  await say(page, "Count");
  await replies(page).filter({ hasText: "w5 " }).waitFor();
  server.kill("SIGKILL");
  await server.result();
  await page.getByText("Can't reach the server.").waitFor();
  const before = (await replies(page).locator(".markdown").innerText()).trim();
  await restartServer(t, server);
  // As when the network is back: no need to wait for the next attempt.
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await page.getByText("Interrupted", { exact: true }).waitFor();
  const after = (await replies(page).locator(".markdown").innerText()).trim();
  assert.ok(after.startsWith(before), "what was seen is kept");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("button", { name: "Stop" }).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await untilIdle(page);
});

test("offline and back: the reply goes on by itself", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:100x20" });
  const browser = await openBrowser(t, app, { expectErrors: /ERR_|Failed to load resource/ });
  const page = await browser.open(`/s/${sessionId}`);
  const seen = await noteReplies(page);
  await page.reload();
  await say(page, "Count");
  await replies(page).filter({ hasText: "w5 " }).waitFor();
  await browser.context.setOffline(true);
  await page.getByText("You are offline.").waitFor();
  await browser.context.setOffline(false);
  await untilReply(page, "w100");
  assertOnlyGrew(await seen(), whole(100));
  await page.getByText("You are offline.").waitFor({ state: "detached" });
});

test("a message that does not arrive is sent again under its own id", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:3x1" });
  const browser = await openBrowser(t, app, { expectErrors: /ERR_|Failed to load resource/ });
  const page = await browser.open(`/s/${sessionId}`);
  const ids = await interceptSending(page, (route, count) =>
    count <= 2 ? route.abort("connectionreset") : route.continue(),
  );
  await say(page, "Count");
  await untilReply(page, "w1 w2 w3");
  assert.equal(ids.length, 3);
  assert.equal(new Set(ids).size, 1);
});

test("a message whose answer is lost is answered once", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:3x1" });
  const browser = await openBrowser(t, app, { expectErrors: /ERR_|Failed to load resource/ });
  const page = await browser.open(`/s/${sessionId}`);
  const ids = await interceptSending(page, loseAnswer);
  await say(page, "Count");
  await untilReply(page, "w1 w2 w3");
  assert.equal(new Set(ids).size, 1);
  assert.equal(await replies(page).count(), 1);
  assert.equal((await app.metrics()).get("chatwire_scripted_model_calls_total"), 1);
});

for (const arrives of [false, true]) {
  test(`a reload while a message ${arrives ? "waits for its answer" : "is on its way"} sends it again under its own id`, {
    skip,
  }, async (t) => {
    const app = await startApp(t);
    const sessionId = await createSession(app, { modelId: "scripted:3x1" });
    const browser = await openBrowser(t, app, { expectErrors: /ERR_|Failed to load resource/ });
    const page = await browser.open(`/s/${sessionId}`);
    const held = Promise.withResolvers<void>();
    const ids = await interceptSending(page, async (route, count) => {
      if (count > 1) return route.continue();
      if (arrives) await route.fetch();
      held.resolve();
    });
    await say(page, "Count");
    await held.promise;
    await page.reload();
    await untilReply(page, "w1 w2 w3");
    assert.equal(ids.length, 2);
    assert.equal(new Set(ids).size, 1);
    const { json } = await callJson(app, "ListMessages", { sessionId });
    assert.equal((json.messages as unknown[]).length, 2);
    assert.equal((await app.metrics()).get("chatwire_scripted_model_calls_total"), 1);
  });
}

/** Decides what becomes of each StreamChat; returns the request_ids that were seen. */
async function interceptSending(
  page: Page,
  decide: (route: Route, count: number) => Promise<void>,
): Promise<string[]> {
  const ids: string[] = [];
  await page.route(/StreamChat/, async (route) => {
    const bytes = route.request().postDataBuffer()?.toString("latin1") ?? "";
    ids.push(/[0-9a-f]{32}/.exec(bytes)?.[0] ?? "");
    await decide(route, ids.length);
  });
  return ids;
}

/** The server gets the message, and the page no answer. */
async function loseAnswer(route: Route): Promise<void> {
  await route.fetch().catch(() => undefined);
  // The page may be gone by now.
  await route.abort("connectionreset").catch(() => undefined);
}
