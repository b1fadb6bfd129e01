import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createModelCatalog } from "../../../src/chat/model-catalog.ts";
import { createElizaProvider } from "../../../src/model/eliza.ts";
import { createScriptedProvider } from "../../../src/model/scripted.ts";

const providers = [createElizaProvider({ wordsPerSecond: 0 }), createScriptedProvider()];

suite("the model catalog", () => {
  test("an empty id and the original default mean the default", () => {
    const catalog = createModelCatalog({ providers, defaultModel: "eliza" });
    for (const modelId of ["", "gemini-2.0-flash", "eliza"]) {
      assert.equal(catalog.resolve(modelId).info.modelId, "eliza");
    }
    assert.equal(catalog.defaultModel.info.modelId, "eliza");
  });

  test("the original default is itself where it is configured", () => {
    const [eliza] = providers[0]?.models ?? [];
    assert.ok(eliza);
    const original = { ...eliza, info: { ...eliza.info, modelId: "gemini-2.0-flash" } };
    const own = {
      name: "own",
      models: [original],
      model: (modelId: string) => (modelId === "gemini-2.0-flash" ? original : undefined),
    };
    const catalog = createModelCatalog({ providers: [...providers, own], defaultModel: "eliza" });
    assert.equal(catalog.resolve("gemini-2.0-flash"), original);
    const aliases = { "gemini-2.0-flash": "scripted:echo" };
    const aliased = createModelCatalog({ providers, defaultModel: "eliza", aliases });
    assert.equal(aliased.resolve("gemini-2.0-flash").info.modelId, "scripted:echo");
  });

  test("aliases and models made to order resolve, and the list tells them", () => {
    const catalog = createModelCatalog({
      providers,
      defaultModel: "fast",
      aliases: { fast: "scripted:9x1", doctor: "eliza" },
    });
    assert.equal(catalog.resolve("doctor").info.modelId, "eliza");
    assert.equal(catalog.resolve("scripted:2x3").info.modelId, "scripted:2x3");
    const [first, second] = catalog.list();
    assert.equal(first?.model.info.modelId, "scripted:9x1");
    assert.deepEqual(first?.aliases, ["fast", "gemini-2.0-flash"]);
    assert.equal(first?.isDefault, true);
    assert.deepEqual(second?.aliases, ["doctor"]);
    assert.deepEqual(
      catalog.list().filter(({ isDefault }) => isDefault),
      [first],
    );
  });

  test("an unknown id is refused, naming the models there are", () => {
    const catalog = createModelCatalog({ providers, defaultModel: "eliza" });
    for (const modelId of ["gpt", "__proto__", "scripted:0x"]) {
      assert.throws(
        () => catalog.resolve(modelId),
        (error: never) => {
          const { kind, reason, fields, metadata } = error as Record<string, unknown>;
          assert.deepEqual([kind, reason], ["invalid_argument", "MODEL_UNKNOWN"]);
          assert.match(JSON.stringify(fields), /"model_id".*eliza, scripted:50x20/);
          assert.equal((metadata as Record<string, string>).model_id, modelId);
          return true;
        },
      );
    }
  });

  test("a default or an alias for no model is an error of the configuration", () => {
    assert.throws(() => createModelCatalog({ providers, defaultModel: "gpt" }), /default.*eliza/);
    const aliases = { fast: "gpt" };
    assert.throws(
      () => createModelCatalog({ providers, defaultModel: "eliza", aliases }),
      /fast.*gpt.*eliza/,
    );
  });
});
