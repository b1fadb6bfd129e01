import assert from "node:assert/strict";
import { test } from "node:test";
import { previewOf } from "../../../src/store/preview.ts";

test("a preview is the text on one line, thoughts left out", () => {
  const parts = [
    { type: "thought", text: "hm" },
    { type: "text", text: "  Hello\n\n\tworld " },
  ] as const;
  assert.equal(previewOf(parts), "Hello world");
});

test("a long text is cut at 120 characters, none of them in halves", () => {
  const preview = previewOf([{ type: "text", text: "😀".repeat(500) }]);
  assert.equal(preview, `${"😀".repeat(119)}…`);
  assert.equal(previewOf([{ type: "text", text: "😀".repeat(120) }]), "😀".repeat(120));
});

test("a text of nothing but space has an empty preview", () => {
  assert.equal(previewOf([{ type: "text", text: " ".repeat(10_000) }]), "");
  assert.equal(previewOf([]), "");
});
