import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ChatService, ChatRequest_Type as Type } from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import { createSession, openBrowser, skip, untilReply } from "./browser.ts";

test("typing whose end is not told fades by itself, and is shown again when it is told again", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", messages: ["Hello"] });
  const browser = await openBrowser(t, app);
  await browser.context.clock.install();
  const page = await browser.open(`/s/${sessionId}`);
  await untilReply(page, "Hello");
  const transport = createConnectTransport({ baseUrl: app.url, httpVersion: "2" });
  const chat = createClient(ChatService, transport);
  let say: (type: Type) => void = () => undefined;
  let end: () => void = () => undefined;
  const wishes = new ReadableStream<Type>({
    start(controller) {
      say = (type) => controller.enqueue(type);
      end = () => controller.close();
    },
  });
  async function* requests() {
    for await (const type of wishes) yield { sessionId, type };
  }
  const reading = Array.fromAsync(chat.chat(requests()));
  const words = page.getByText("Somebody else is writing…");
  say(Type.TYPING_START);
  await words.waitFor();
  await page.clock.fastForward(9_000);
  assert.equal(await words.count(), 1);
  await page.clock.fastForward(2_000);
  await words.waitFor({ state: "detached" });
  say(Type.TYPING_START);
  await words.waitFor();
  say(Type.TYPING_STOP);
  await words.waitFor({ state: "detached" });
  end();
  await reading;
});
