import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ChatRequest_Type, ChatService } from "../../src/gen/chat/chat_pb.ts";
import { startApp, sumOf, untilMetrics } from "../support/app.ts";
import {
  createSession,
  openBrowser,
  replies,
  say,
  setVisible,
  skip,
  untilReply,
} from "./browser.ts";

test("two tabs show the same, while it is written and after", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:60x20" });
  const browser = await openBrowser(t, app);
  const one = await browser.open(`/s/${sessionId}`);
  const other = await browser.open(`/s/${sessionId}`);
  await say(one, "Count");
  await replies(other).filter({ hasText: "w5 " }).waitFor();
  await other.getByRole("button", { name: "Stop" }).waitFor();
  await untilReply(one, "w60");
  await untilReply(other, "w60");
  const texts = await Promise.all([one, other].map((page) => page.locator(".rows").innerText()));
  // Only a tab that listened from the first chunk on knows when the first word came.
  const [shown, shownThere] = texts.map((text) => text.replace(/ · first word [^·]+/, ""));
  assert.equal(shown, shownThere);
});

test("either tab can stop what the other has asked for", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:1000x20" });
  const browser = await openBrowser(t, app);
  const one = await browser.open(`/s/${sessionId}`);
  const other = await browser.open(`/s/${sessionId}`);
  await say(one, "Count");
  await other.getByRole("button", { name: "Stop" }).click();
  await one.getByText("Stopped", { exact: true }).waitFor();
});

test("a hidden tab lets go of its stream, and catches up when it is shown", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", messages: ["Hello"] });
  const browser = await openBrowser(t, app);
  const hidden = await browser.open(`/s/${sessionId}`);
  await untilReply(hidden, "Hello");
  await untilMetrics(app, (metrics) => openWatches(metrics) === 1);
  await setVisible(hidden, false);
  await untilMetrics(app, (metrics) => openWatches(metrics) === 0);
  const shown = await browser.open(`/s/${sessionId}`);
  await say(shown, "And now?");
  await untilReply(shown, "And now?");
  assert.equal(await replies(hidden).count(), 1);
  await setVisible(hidden, true);
  await untilReply(hidden, "And now?");
});

test("ten tabs work over plain HTTP/1.1, where all of them share six connections", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const browser = await openBrowser(t, app);
  for (let tab = 1; tab < 10; tab += 1) {
    const sessionId = await createSession(app, {
      modelId: "scripted:say",
      messages: [`Tab ${tab}`],
    });
    const page = await browser.open(`/s/${sessionId}`);
    await untilReply(page, `Tab ${tab}`);
    await setVisible(page, false);
  }
  const sessionId = await createSession(app, { modelId: "scripted:50x10" });
  const last = await browser.open(`/s/${sessionId}`);
  await say(last, "Count");
  await untilReply(last, "w50");
  await untilMetrics(app, (metrics) => openWatches(metrics) === 1);
});

test("a tab never has more than one stream open", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:20x10" });
  const browser = await openBrowser(t, app);
  await browser.context.addInitScript(() => {
    const counts = { open: 0, most: 0, streams: 0 };
    Object.assign(globalThis, { streamCounts: counts });
    const original = globalThis.fetch;
    globalThis.fetch = (input, init) => {
      if (/WatchSession|StreamChat/.test(input instanceof Request ? input.url : input.toString())) {
        counts.streams += 1;
        counts.open += 1;
        counts.most = Math.max(counts.most, counts.open);
        // The client ends every call on the wire by its signal, also one that came to its end.
        init?.signal?.addEventListener("abort", () => {
          counts.open -= 1;
        });
      }
      return original(input, init);
    };
  });
  const page = await browser.open(`/s/${sessionId}`);
  await say(page, "Count");
  await replies(page).filter({ hasText: "w3 " }).waitFor();
  await say(page, "Count on");
  await replies(page).nth(1).filter({ hasText: "w20" }).waitFor();
  await page.getByRole("link", { name: "Status" }).click();
  await page.getByText("Up for").waitFor();
  const counts = (await page.evaluate("streamCounts")) as Record<string, number>;
  assert.equal(counts.most, 1);
  assert.ok((counts.streams ?? 0) >= 5);
});

test("somebody else's typing is shown", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const page = await (await openBrowser(t, app)).open(`/s/${sessionId}`);
  await page.getByRole("textbox", { name: "Message" }).waitFor();
  await untilMetrics(app, (metrics) => openWatches(metrics) === 1);
  const transport = createConnectTransport({ baseUrl: app.url, httpVersion: "2" });
  const chat = createClient(ChatService, transport);
  const finish = Promise.withResolvers<void>();
  async function* requests() {
    yield { sessionId, type: ChatRequest_Type.TYPING_START };
    await finish.promise;
    yield { sessionId, type: ChatRequest_Type.TYPING_STOP };
  }
  const reading = Array.fromAsync(chat.chat(requests()));
  await page.getByText("Somebody else is writing…").waitFor();
  finish.resolve();
  await page.getByText("Somebody else is writing…").waitFor({ state: "detached" });
  await reading;
});

function openWatches(metrics: ReadonlyMap<string, number>): number {
  const count = (name: string) => sumOf(metrics, name, "WatchSession");
  return count("chatwire_rpc_started_total") - count("chatwire_rpc_ended_total");
}
