import assert from "node:assert/strict";
import { suite, type TestContext, test } from "node:test";
import { createGeminiProvider, type GeminiOptions } from "../../src/model/gemini.ts";
import { useFakeGeminiServer } from "../support/fake-gemini-server.ts";

suite("the start-up check of Gemini", () => {
  const check = async (t: TestContext, options: Partial<GeminiOptions> = {}) => {
    const server = await useFakeGeminiServer(t, { models: ["gemini-3.8-flash"] });
    const provider = createGeminiProvider({
      apiKey: server.apiKey,
      baseUrl: server.url,
      models: ["gemini-3.8-flash"],
      ...options,
    });
    const found = await provider.check?.(new AbortController().signal);
    return { found, server };
  };

  test("asks once, for the model's description, and finds the key accepted", async (t) => {
    const { found, server } = await check(t);
    assert.equal(found?.outcome, "accepted");
    assert.deepEqual(
      server.requests.map(({ method, path }) => `${method} ${path}`),
      ["GET /v1/models/gemini-3.8-flash"],
    );
  });

  test("finds a wrong key rejected, says how to mend it, and does not show it", async (t) => {
    const apiKey = "a-key-that-nobody-gave";
    const { found } = await check(t, { apiKey });
    assert.equal(found?.outcome, "rejected");
    assert.match(JSON.stringify(found), /GEMINI_API_KEY/);
    assert.ok(!JSON.stringify(found).includes(apiKey));
  });

  test("finds a model that is gone", async (t) => {
    const { found } = await check(t, { models: ["gemini-2.0-flash"] });
    assert.equal(found?.outcome, "rejected");
    assert.match(JSON.stringify(found), /GEMINI_MODELS/);
  });

  test("finds a server unreachable, and speaks of the proxy", async (t) => {
    const gone = await useFakeGeminiServer(t);
    await gone.close();
    const { found } = await check(t, { baseUrl: gone.url });
    assert.equal(found?.outcome, "unreachable");
    assert.match(JSON.stringify(found), /ECONNREFUSED.*HTTPS_PROXY/);
  });

  test("an abort is no answer in time", async (t) => {
    const server = await useFakeGeminiServer(t);
    const provider = createGeminiProvider({
      apiKey: server.apiKey,
      baseUrl: server.url,
      models: ["gemini-3.8-flash"],
    });
    const found = await provider.check?.(AbortSignal.abort());
    assert.equal(found?.outcome, "unreachable");
    assert.equal(server.requests.length, 0);
  });
});
