import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createGeminiProvider } from "../../src/model/gemini.ts";
import { createProxyFetch } from "../../src/model/proxy-fetch.ts";
import { useFakeGeminiServer } from "../support/fake-gemini-server.ts";
import { finishesIn, generateAll, requestOf, textIn } from "../support/model-requests.ts";
import { useProxyServer } from "../support/proxy-server.ts";

async function open(t: TestContext) {
  const server = await useFakeGeminiServer(t);
  const proxy = await useProxyServer(t, server.url);
  const say = async (baseUrl: string, environment: Record<string, string>) => {
    const provider = createGeminiProvider({
      apiKey: server.apiKey,
      baseUrl,
      models: ["gemini-3.8-flash"],
      fetch: createProxyFetch(environment),
    });
    const [model] = provider.models;
    assert.ok(model);
    return generateAll(model, requestOf("through the proxy"));
  };
  return { server, proxy, say };
}

test("a stream goes through the proxy of HTTP_PROXY", async (t) => {
  const { proxy, server, say } = await open(t);
  const parts = await say("http://gemini.invalid", { HTTP_PROXY: proxy.url });
  assert.equal(textIn(parts), "through the proxy");
  assert.deepEqual(finishesIn(parts), ["stop"]);
  assert.deepEqual(proxy.asked, [
    "POST http://gemini.invalid/v1/models/gemini-3.8-flash:streamGenerateContent?alt=sse",
  ]);
  assert.equal(server.requests.length, 1);
});

test("an https address is asked for by CONNECT at the proxy of HTTPS_PROXY", async (t) => {
  const { proxy } = await open(t);
  // The server behind the proxy speaks no TLS, so the call fails once the tunnel is there.
  await assert.rejects(createProxyFetch({ https_proxy: proxy.url })("https://gemini.invalid/"));
  assert.deepEqual(proxy.asked, ["CONNECT gemini.invalid:443"]);
});

test("what NO_PROXY names, and loopback always, goes past the proxy", async (t) => {
  const { proxy, server, say } = await open(t);
  const environment = { HTTP_PROXY: proxy.url, NO_PROXY: "gemini.invalid" };
  assert.deepEqual(finishesIn(await say(server.url, environment)), ["stop"]);
  await assert.rejects(createProxyFetch(environment)("http://gemini.invalid/"));
  assert.deepEqual(proxy.asked, []);
});
