import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import type { TestContext } from "node:test";
import type { Model, ModelProvider } from "../../src/chat/model.ts";
import { createElizaProvider } from "../../src/model/eliza.ts";
import { createGeminiProvider } from "../../src/model/gemini.ts";
import { createScriptedProvider } from "../../src/model/scripted.ts";
import {
  type GeminiScenario,
  textChunk,
  useFakeGeminiServer,
} from "../support/fake-gemini-server.ts";
import { streams, streamsAndHangs } from "../support/gemini-scenarios.ts";
import { generateAll, textIn } from "../support/model-requests.ts";
import { type ModelHarness, modelSuite } from "./model-suite.ts";

modelSuite("eliza", async () => ({
  model: modelOf(createElizaProvider({ wordsPerSecond: 0 }), "eliza"),
  endless: modelOf(createElizaProvider({ wordsPerSecond: 0.000_001 }), "eliza"),
}));

modelSuite("scripted", async () => {
  const provider = createScriptedProvider({
    onCall: () => counted.emit("change"),
    onAbort: () => counted.emit("change"),
  });
  const counted = new EventEmitter();
  const reached = async (counter: "calls" | "aborts", count: number) => {
    while (provider.counters[counter] < count) await once(counted, "change");
    assert.equal(provider.counters[counter], count);
  };
  const scripted = (script: string) => modelOf(provider, `scripted:${script}`);
  return {
    model: scripted("5x1"),
    endless: scripted("3x0!hang@2"),
    silent: scripted("3x0!hang@0"),
    cutShort: scripted("3x0!end@2"),
    failing: scripted("3x0!unavailable@0"),
    echoing: scripted("say"),
    calls: () => provider.counters.calls,
    sawCalls: (count) => reached("calls", count),
    sawAborts: (count) => reached("aborts", count),
    async given(request) {
      const echo = JSON.parse(textIn(await generateAll(scripted("echo"), request)));
      return { systemInstruction: echo.systemInstruction, messages: echo.messages.map(asLine) };
    },
  };
});

modelSuite("gemini", openGemini);

/** The real SDK against a local server; the model's id says how the server answers. */
async function openGemini(t: TestContext): Promise<ModelHarness> {
  const server = await useFakeGeminiServer(t);
  const scenarios: Record<string, GeminiScenario> = {
    hangs: streamsAndHangs(textChunk("Once upon ")),
    silent: () => {},
    cut: streams(textChunk("Once "), textChunk("upon ")),
    fails: isOverloadedForGood(),
  };
  const echo: GeminiScenario = async ({ request, send, raw, end }) => {
    const text = request.body.contents.at(-1).parts[0].text;
    for (const character of text) {
      await raw(`data: ${JSON.stringify(textChunk(character))}\r\n\r\n`, 1_000);
    }
    await send(textChunk("", { finishReason: "STOP" }));
    await end();
  };
  server.usually((exchange) => (scenarios[exchange.request.model] ?? echo)(exchange));
  const provider = createGeminiProvider({
    apiKey: server.apiKey,
    baseUrl: server.url,
    models: ["says-back", ...Object.keys(scenarios)],
    sleep: async () => {},
  });
  return {
    model: modelOf(provider, "says-back"),
    endless: modelOf(provider, "hangs"),
    silent: modelOf(provider, "silent"),
    cutShort: modelOf(provider, "cut"),
    failing: modelOf(provider, "fails"),
    echoing: modelOf(provider, "says-back"),
    calls: () => server.requests.length,
    async sawCalls(count) {
      await server.arrived(count - 1);
    },
    async sawAborts(count) {
      const last = await server.arrived(count - 1);
      assert.equal(await last.outcome, "aborted");
    },
    async given(request) {
      await generateAll(modelOf(provider, "says-back"), request);
      const { systemInstruction, contents } = server.requests.at(-1)?.body ?? {};
      return {
        systemInstruction: systemInstruction?.parts[0].text ?? "",
        messages: contents.map(asLine),
      };
    },
  };
}

function isOverloadedForGood(): GeminiScenario {
  return ({ json }) =>
    json(503, { error: { code: 503, status: "UNAVAILABLE", message: "Try later." } });
}

function modelOf(provider: ModelProvider, modelId: string): Model {
  const model = provider.model(modelId);
  assert.ok(model, modelId);
  return model;
}

function asLine({ role, parts }: { role: string; parts: { text: string }[] }): string {
  return `${role}: ${parts.map(({ text }) => text).join("")}`;
}
