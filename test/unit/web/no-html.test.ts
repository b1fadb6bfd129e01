import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const source = new URL("../../../web/src/", import.meta.url);

/** The ways by which text becomes elements or code. */
const sinks =
  /dangerouslySetInnerHTML|\.(?:inner|outer)HTML\b|insertAdjacentHTML|createContextualFragment|parseFromString|setHTMLUnsafe|srcDoc|document\.write|\beval\(|new Function\b/i;

test("no part of the page makes elements or code of a text", () => {
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) =>
    /\.tsx?$/.test(file),
  );
  assert.ok(files.length > 60, "the sources were found");
  const found = files.filter((file) => sinks.test(readFileSync(new URL(file, source), "utf8")));
  assert.deepEqual(found, []);
});
