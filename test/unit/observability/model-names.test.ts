import assert from "node:assert/strict";
import { test } from "node:test";
import { createModelCatalog } from "../../../src/chat/model-catalog.ts";
import { createElizaProvider } from "../../../src/model/eliza.ts";
import { createScriptedProvider } from "../../../src/model/scripted.ts";
import { createModelNames } from "../../../src/observability/model-names.ts";

test("the labels of models are bounded: listed ones, `scripted`, and `other`", () => {
  const names = createModelNames(
    createModelCatalog({
      providers: [createElizaProvider({ wordsPerSecond: 0 }), createScriptedProvider()],
      defaultModel: "eliza",
      aliases: { fast: "eliza" },
    }),
  );
  assert.equal(names.labelOf("eliza"), "eliza");
  for (const id of ["scripted:echo", "scripted:50x20", "scripted:7x3!hang@2"]) {
    assert.equal(names.labelOf(id), "scripted");
  }
  for (const id of ["gone", "scripted:nonsense", ""]) {
    assert.ok(["other", "eliza"].includes(names.labelOf(id)), id);
  }
  assert.equal(names.labelOf("gone"), "other");
  assert.deepEqual(["eliza", "scripted:3x1", "gone"].map(names.providerOf), [
    "eliza",
    "scripted",
    "other",
  ]);
});
