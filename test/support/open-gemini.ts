import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Model } from "../../src/chat/model.ts";
import { createGeminiProvider, type GeminiOptions } from "../../src/model/gemini.ts";
import {
  type FakeGeminiOptions,
  type FakeGeminiServer,
  textChunk,
  useFakeGeminiServer,
} from "./fake-gemini-server.ts";

/** A chunk that is a whole reply. */
export const done = textChunk("done", { finishReason: "STOP" });

export type OpenedGemini = {
  server: FakeGeminiServer;
  model: Model;
  pauses: number[];
  logged: unknown[];
};

/** The adapter against a fake server, without pauses between attempts: they are written down. */
export async function openGemini(
  t: TestContext,
  options: Partial<GeminiOptions> = {},
  serverOptions: FakeGeminiOptions = {},
): Promise<OpenedGemini> {
  const server = await useFakeGeminiServer(t, serverOptions);
  const pauses: number[] = [];
  const logged: unknown[] = [];
  const provider = createGeminiProvider({
    apiKey: server.apiKey,
    baseUrl: server.url,
    models: ["gemini-3.8-flash"],
    sleep: async (ms) => void pauses.push(ms),
    random: () => 0,
    log: (_message, details) => logged.push(details),
    ...options,
  });
  const [model] = provider.models;
  assert.ok(model);
  return { server, model, pauses, logged };
}
