import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Model } from "../../../src/chat/model.ts";
import { createScriptedProvider, type ScriptedOptions } from "../../../src/model/scripted.ts";
import {
  finishesIn,
  generateAll,
  requestOf,
  sessionOf,
  textIn,
} from "../../support/model-requests.ts";

suite("a scripted model's id", () => {
  for (const modelId of [
    "scripted:",
    "scripted:50",
    "scripted:0x",
    "scripted:x5",
    "scripted:50x20!",
    "scripted:50x20!nothing@3",
    "scripted:50x20!hang",
    "scripted:50x20!hang@51",
    "scripted:100001x0",
    "scripted:1x60001",
    "scripted:99999999999999x1",
    "scripted:-1x1",
    "scripted:5x1.5",
    "scripted:5x1 ",
    "xscripted:5x1",
    "scripted:echo2",
    "eliza",
    "",
  ]) {
    test(`"${modelId}" is nobody's`, () => {
      assert.equal(createScriptedProvider().model(modelId), undefined);
    });
  }

  for (const modelId of ["scripted:100000x60000", "scripted:0x0", "scripted:5x0!hang@5"]) {
    test(`"${modelId}" is a model`, () => {
      assert.equal(createScriptedProvider().model(modelId)?.info.modelId, modelId);
    });
  }

  test("every listed model is one", () => {
    const provider = createScriptedProvider();
    assert.ok(provider.models.length > 0);
    for (const { info } of provider.models) assert.ok(provider.model(info.modelId));
  });
});

suite("what a scripted model does", () => {
  test("streams its chunks and stops", async () => {
    const parts = await generateAll(scripted("scripted:3x0"), requestOf("one two"));
    assert.deepEqual(parts, [
      { type: "text", text: "w1 " },
      { type: "text", text: "w2 " },
      { type: "text", text: "w3 " },
      {
        type: "usage",
        usage: {
          inputTokens: 2,
          outputTokens: 3,
          thinkingTokens: 0,
          cachedTokens: 0,
          totalTokens: 5,
          estimated: false,
        },
      },
      { type: "finish", reason: "stop" },
    ]);
  });

  test("chunk i is due at start + i × 20 ms, whatever was late before", async () => {
    let nowMs = 500;
    const yieldedAtMs: number[] = [];
    const model = scripted("scripted:4x20", {
      clock: { now: () => 0, monotonicMs: () => nowMs },
      sleep: async (ms) => {
        nowMs += ms;
      },
    });
    for await (const part of model.generate(requestOf("x"), new AbortController().signal)) {
      if (part.type !== "text") continue;
      yieldedAtMs.push(nowMs - 500);
      if (part.text === "w1 ") nowMs += 33;
    }
    assert.deepEqual(yieldedAtMs, [20, 53, 60, 80]);
  });

  test("with 0 ms it sets no timer and lets others run in between", async (t) => {
    t.mock.method(globalThis, "setTimeout", () => assert.fail("a timer"));
    let others = 0;
    const count = () => {
      others += 1;
      immediate = setImmediate(count);
    };
    let immediate = setImmediate(count);
    const parts = await generateAll(scripted("scripted:10000x0"), requestOf("x"));
    clearImmediate(immediate);
    assert.equal(parts.length, 10_002);
    assert.ok(others > 50);
  });

  test("!unavailable fails like a provider's 503 after so many chunks", async () => {
    const texts: string[] = [];
    const read = async () => {
      const model = scripted("scripted:5x0!unavailable@2");
      for await (const part of model.generate(requestOf("x"), new AbortController().signal)) {
        if (part.type === "text") texts.push(part.text);
      }
    };
    await assert.rejects(read(), {
      kind: "unavailable",
      reason: "MODEL_UNAVAILABLE",
      retryable: true,
    });
    assert.deepEqual(texts, ["w1 ", "w2 "]);
  });

  for (const [end, finishes] of [
    ["end", []],
    ["safety", ["safety"]],
    ["max_tokens", ["max_tokens"]],
  ] as const) {
    test(`!${end} ends after so many chunks`, async () => {
      const parts = await generateAll(scripted(`scripted:5x0!${end}@2`), requestOf("x"));
      assert.deepEqual([textIn(parts), finishesIn(parts)], ["w1 w2 ", finishes]);
    });
  }

  test("echo returns in one chunk what a provider would be given", async () => {
    const request = requestOf("", {
      systemInstruction: "Be brief.",
      messages: sessionOf("a", "b", "c"),
      generation: { temperature: 0.5, includeThoughts: true },
    });
    const parts = await generateAll(scripted("scripted:echo"), request);
    assert.equal(parts.filter(({ type }) => type === "text").length, 1);
    assert.deepEqual(JSON.parse(textIn(parts)), request);
  });

  test("say returns the message, cut inside characters", async () => {
    const text = "a 👍🏽 é\n\n  b";
    const parts = await generateAll(scripted("scripted:say"), requestOf(text));
    const texts = parts.filter((part) => part.type === "text").map((part) => part.text);
    assert.equal(texts.join(""), text);
    assert.ok(texts.some((part) => !part.isWellFormed()));
    assert.ok(texts.every((part) => part.length <= 3));
  });

  test("thoughts come where they are asked for", async () => {
    const model = scripted("scripted:thoughts");
    const types = (parts: { type: string }[]) => parts.map(({ type }) => type).join(" ");
    const without = await generateAll(model, requestOf("x"));
    assert.equal(types(without), "text text text usage finish");
    const generation = { includeThoughts: true };
    const thinking = await generateAll(model, requestOf("x", { generation }));
    assert.equal(types(thinking), "thought thought thought text text text usage finish");
  });
});

suite("what a scripted provider counts", () => {
  test("an abort counts once, at its moment, and not when the reply was over", async () => {
    const heard: string[] = [];
    const provider = createScriptedProvider({
      onCall: (modelId) => heard.push(`call ${modelId}`),
      onAbort: (modelId) => heard.push(`abort ${modelId}`),
    });
    const whole = new AbortController();
    await generateAll(modelOf(provider, "scripted:2x0"), requestOf("x"), whole.signal);
    whole.abort();
    assert.deepEqual(provider.counters, { calls: 1, aborts: 0 });

    const stopped = new AbortController();
    const hangs = modelOf(provider, "scripted:2x0!hang@1");
    const replies = hangs.generate(requestOf("x"), stopped.signal)[Symbol.asyncIterator]();
    await replies.next();
    stopped.abort();
    assert.deepEqual(provider.counters, { calls: 2, aborts: 1 });
    assert.deepEqual(await replies.next(), { value: undefined, done: true });
    await replies.return?.();
    assert.deepEqual(provider.counters, { calls: 2, aborts: 1 });
    assert.deepEqual(heard, [
      "call scripted:2x0",
      "call scripted:2x0!hang@1",
      "abort scripted:2x0!hang@1",
    ]);
  });

  test("a consumer that leaves after the finish has aborted nothing", async () => {
    const provider = createScriptedProvider();
    const model = modelOf(provider, "scripted:2x0");
    for await (const part of model.generate(requestOf("x"), new AbortController().signal)) {
      if (part.type === "finish") break;
    }
    assert.deepEqual(provider.counters, { calls: 1, aborts: 0 });
  });

  test("failures and cut streams are no aborts", async () => {
    const provider = createScriptedProvider();
    await generateAll(modelOf(provider, "scripted:2x0!end@1"), requestOf("x"));
    const failing = modelOf(provider, "scripted:2x0!unavailable@1");
    await assert.rejects(generateAll(failing, requestOf("x")));
    assert.deepEqual(provider.counters, { calls: 2, aborts: 0 });
  });
});

function scripted(modelId: string, options?: ScriptedOptions): Model {
  return modelOf(createScriptedProvider(options), modelId);
}

function modelOf(provider: ReturnType<typeof createScriptedProvider>, modelId: string): Model {
  const model = provider.model(modelId);
  assert.ok(model, modelId);
  return model;
}
