import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ModelPart } from "../../src/chat/model.ts";
import { createGeminiProvider } from "../../src/model/gemini.ts";
import { textChunk } from "../support/fake-gemini-server.ts";
import {
  answersLate,
  beginsLate,
  blocksThePrompt,
  resetsTheSocket,
  streams,
} from "../support/gemini-scenarios.ts";
import { finishesIn, generateAll, requestOf, said, textIn } from "../support/model-requests.ts";

import { done, openGemini } from "../support/open-gemini.ts";

suite("what Gemini is sent", () => {
  test("a call is one request that is not stored and not continued by the SDK", async (t) => {
    const { server, model } = await openGemini(t);
    const resumable = { finishReason: "CONTINUATION", continuationToken: "dG9rZW4=" };
    server.enqueue(streams(textChunk("more", resumable)));
    const parts = await generateAll(model, requestOf("Hello"));
    assert.deepEqual(finishesIn(parts), ["max_tokens"]);
    assert.equal(server.requests.length, 1);
    const [request] = server.requests;
    assert.ok(request);
    assert.equal(request.path, "/v1/models/gemini-3.8-flash:streamGenerateContent?alt=sse");
    assert.equal(request.headers["x-goog-api-key"], server.apiKey);
    assert.equal(request.headers["x-server-timeout"], undefined);
    assert.deepEqual(request.body, {
      contents: [{ role: "user", parts: [{ text: "Hello" }] }],
      generationConfig: { maxOutputTokens: 65_536 },
      store: false,
    });
  });

  test("history, instruction and settings arrive in Gemini's words", async (t) => {
    const { server, model } = await openGemini(t);
    const request = requestOf("", {
      systemInstruction: "Be brief.",
      messages: [
        said("user", "a"),
        said("user", "b"),
        {
          role: "model",
          parts: [
            { type: "thought", text: "hm" },
            { type: "text", text: "c" },
            { type: "text", text: "", signature: "c2lnbmVk" },
          ],
        },
        { role: "model", parts: [{ type: "thought", text: "hm" }] },
        said("user", "d"),
      ],
      generation: {
        temperature: 0,
        topP: 0.5,
        topK: 3,
        seed: 0,
        maxOutputTokens: 10,
        stopSequences: ["END"],
        responseJsonSchema: '{"type":"object"}',
        includeThoughts: true,
        thinkingTokensMax: 0,
      },
    });
    await generateAll(model, request);
    assert.deepEqual(server.requests[0]?.body, {
      systemInstruction: { parts: [{ text: "Be brief." }] },
      contents: [
        { role: "user", parts: [{ text: "a" }, { text: "b" }] },
        { role: "model", parts: [{ text: "c" }, { text: "", thoughtSignature: "c2lnbmVk" }] },
        { role: "user", parts: [{ text: "d" }] },
      ],
      generationConfig: {
        temperature: 0,
        topP: 0.5,
        topK: 3,
        seed: 0,
        maxOutputTokens: 10,
        stopSequences: ["END"],
        responseMimeType: "application/json",
        responseJsonSchema: { type: "object" },
        thinkingConfig: { includeThoughts: true, thinkingBudget: 0 },
      },
      store: false,
    });
  });

  test("Vertex AI gets its own path and a token, and no field that it refuses", async (t) => {
    const token = "ya29.token";
    const getRequestHeaders = async () => new Headers({ authorization: `Bearer ${token}` });
    const auth = { authClient: { getRequestHeaders } } as never;
    const { server, model } = await openGemini(
      t,
      { apiKey: undefined, vertex: { project: "p", location: "europe-west4", auth } },
      { apiKey: token },
    );
    assert.deepEqual(finishesIn(await generateAll(model, requestOf("Hello"))), ["stop"]);
    assert.equal(
      server.requests[0]?.path,
      "/v1beta1/projects/p/locations/europe-west4/publishers/google/models/gemini-3.8-flash:streamGenerateContent?alt=sse",
    );
    assert.equal(server.requests[0]?.body.store, undefined);
  });
});

suite("what Gemini answers", () => {
  test("text of the chunk that finishes is kept, and the last usage holds", async (t) => {
    const { server, model } = await openGemini(t);
    const usageMetadata = {
      promptTokenCount: 9,
      candidatesTokenCount: 4,
      thoughtsTokenCount: 5,
      cachedContentTokenCount: 2,
      totalTokenCount: 18,
    };
    server.enqueue(
      streams(textChunk("one ", { finishReason: "STOP", outputTokens: 1 }), {
        ...textChunk("two", { finishReason: "STOP" }),
        usageMetadata,
      }),
    );
    const parts = await generateAll(model, requestOf("Hello"));
    assert.equal(textIn(parts), "one two");
    assert.deepEqual(finishesIn(parts), ["stop"]);
    assert.deepEqual(parts.findLast((part) => part.type === "usage")?.usage, {
      inputTokens: 9,
      outputTokens: 4,
      thinkingTokens: 5,
      cachedTokens: 2,
      totalTokens: 18,
      estimated: false,
    });
  });

  test("thoughts come as thoughts, and a signature comes even without text", async (t) => {
    const { server, model } = await openGemini(t);
    server.enqueue(
      streams(
        textChunk("Let me think.", { thought: true }),
        textChunk("42"),
        textChunk("", { thoughtSignature: "c2ln", finishReason: "STOP" }),
      ),
    );
    const parts = await generateAll(model, requestOf("Hello"));
    assert.deepEqual(
      parts.filter(({ type }) => type !== "usage"),
      [
        { type: "thought", text: "Let me think." },
        { type: "text", text: "42" },
        { type: "text", text: "", signature: "c2ln" },
        { type: "finish", reason: "stop" },
      ] satisfies ModelPart[],
    );
  });

  test("characters cut apart by the network arrive whole", async (t) => {
    const { server, model } = await openGemini(t);
    const text = "größe 👩‍👩‍👧 नमस्ते\n";
    server.enqueue(async ({ raw, end }) => {
      const chunk = textChunk(text, { finishReason: "STOP" });
      await raw(`data: ${JSON.stringify(chunk)}\r\n\r\n`, 1);
      await end();
    });
    assert.equal(textIn(await generateAll(model, requestOf("Hello"))), text);
  });

  for (const [reason, expected] of [
    ["MAX_TOKENS", "max_tokens"],
    ["SAFETY", "safety"],
    ["PROHIBITED_CONTENT", "safety"],
    ["BLOCKLIST", "safety"],
    ["SPII", "safety"],
    ["RECITATION", "other"],
    ["A_REASON_OF_NEXT_YEAR", "other"],
    ["toString", "other"],
  ] as const) {
    test(`the finish reason ${reason} is ${expected}`, async (t) => {
      const { server, model } = await openGemini(t);
      server.enqueue(streams(textChunk("so far", { finishReason: reason })));
      const parts = await generateAll(model, requestOf("Hello"));
      assert.deepEqual([textIn(parts), finishesIn(parts)], ["so far", [expected]]);
    });
  }

  test("a blocked prompt is safety, with its usage", async (t) => {
    const { server, model } = await openGemini(t);
    server.enqueue(blocksThePrompt());
    const parts = await generateAll(model, requestOf("Hello"));
    assert.deepEqual([textIn(parts), finishesIn(parts)], ["", ["safety"]]);
    assert.equal(parts.find((part) => part.type === "usage")?.usage.inputTokens, 7);
  });

  test("a connection that breaks after the finish reason has broken nothing", async (t) => {
    const { server, model } = await openGemini(t);
    server.enqueue(resetsTheSocket(done));
    assert.deepEqual(finishesIn(await generateAll(model, requestOf("Hello"))), ["stop"]);
  });

  test("a late answer and a late first chunk are waited for", async (t) => {
    const { server, model } = await openGemini(t);
    for (const late of [answersLate, beginsLate]) {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.enqueue(late(promise, streams(done)));
      const parts = generateAll(model, requestOf("Hello"));
      await server.arrived(server.requests.length);
      resolve();
      assert.deepEqual(finishesIn(await parts), ["stop"]);
    }
  });
});

test("a provider without a key, or with one that is no header value, is not made", () => {
  const models = ["gemini-3.8-flash"];
  assert.throws(() => createGeminiProvider({ models }));
  assert.throws(() => createGeminiProvider({ apiKey: "two words", models }), /characters/);
});
