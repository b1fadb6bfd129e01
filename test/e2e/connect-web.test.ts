import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import {
  ChatResponse_Type,
  ChatService,
  FinishReason,
  OnDisconnect,
} from "../../src/gen/chat/chat_pb.ts";
import { startApp, untilMetrics } from "../support/app.ts";
import { assertError, collect, collectFailing, failureOf, replyOf } from "../support/wire.ts";

type Options = { baseUrl: string; useBinaryFormat: boolean; fetch: typeof fetch };

const transports: Record<string, (options: Options) => Transport> = {
  createConnectTransport,
  createGrpcWebTransport,
};

/** What a page served by the server itself sends. */
function fetchFrom(origin: string): typeof fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set("origin", origin);
    headers.set("connection", "close");
    return fetch(input, { ...init, headers });
  };
}

for (const [name, create] of Object.entries(transports)) {
  for (const useBinaryFormat of [false, true]) {
    const encoding = useBinaryFormat ? "protobuf" : "JSON";
    const serve = async (t: Parameters<typeof startApp>[0]) => {
      const app = await startApp(t);
      const baseUrl = app.url;
      const transport = create({ baseUrl, useBinaryFormat, fetch: fetchFrom(baseUrl) });
      return { app, chat: createClient(ChatService, transport) };
    };

    test(`connect-web, ${name}, ${encoding}: a conversation`, async (t) => {
      const { chat } = await serve(t);
      const { sessionId } = await chat.createSession({ modelId: "scripted:echo" });
      const first = await chat.sendMessage({ sessionId, message: "One" });
      const events = await collect(chat.streamChat({ sessionId, message: "Two" }));
      assert.equal(events.at(-1)?.finishReason, FinishReason.STOP);
      assert.equal(JSON.parse(replyOf(events)).messages[1].parts[0].text, first.text);
      assert.equal((await chat.listMessages({ sessionId })).messages.length, 4);
      assert.equal((await chat.getSessionInfo({ sessionId })).messageCount, 4);
      assert.equal((await chat.listSessions({})).sessions.length, 1);
      assert.equal((await chat.getServerStats({})).totalRequests, 2);
      assert.equal((await chat.health({})).healthy, true);
      assert.ok((await chat.listModels({})).models.length > 0);
      assert.equal((await chat.deleteSession({ sessionId })).success, true);
    });

    test(`connect-web, ${name}, ${encoding}: errors and a failing turn`, async (t) => {
      const { chat } = await serve(t);
      const missing = await failureOf(chat.getSessionInfo({ sessionId: "nowhere" }));
      assertError(missing, Code.NotFound, "SESSION_NOT_FOUND");
      const modelId = "scripted:5x1!unavailable@2";
      const { values, error } = await collectFailing(chat.streamChat({ message: "Hi", modelId }));
      assertError(error, Code.Unavailable, "MODEL_UNAVAILABLE");
      assert.equal(values.at(-1)?.type, ChatResponse_Type.ERROR);
    });

    test(`connect-web, ${name}, ${encoding}: a reload is a loss, which cancels where asked`, async (t) => {
      const { app, chat } = await serve(t);
      const abort = new AbortController();
      const onDisconnect = OnDisconnect.CANCEL;
      const request = { message: "Go on", modelId: "scripted:1000x60", onDisconnect };
      const reading = (async () => {
        for await (const { type } of chat.streamChat(request, { signal: abort.signal })) {
          if (type === ChatResponse_Type.CHUNK) abort.abort();
        }
      })();
      assert.equal((await failureOf(reading)).code, Code.Canceled);
      await untilMetrics(app, (m) => m.get("chatwire_scripted_model_aborts_total") === 1);
    });
  }
}
