import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { limits } from "../../../src/chat/limits.ts";
import { createPage, createPageToken, parsePageToken } from "../../../src/store/page-token.ts";

test("a token leads back to its key, and fits the contract's bound", () => {
  const key = fc.record({ order: fc.integer(), id: fc.uuid() }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(fc.string()), key, (list, pageKey) => {
      const token = createPageToken(list, pageKey);
      assert.deepEqual(parsePageToken(list, token), pageKey);
      assert.ok(Buffer.byteLength(token) <= limits.pageTokenBytesMax);
    }),
  );
});

test("an id as long as ids may be still fits", () => {
  const token = createPageToken(["x"], { order: 1, id: "x".repeat(limits.idBytesMax) });
  assert.ok(Buffer.byteLength(token) <= limits.pageTokenBytesMax);
});

test("any other text is refused", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (text) => {
      assert.throws(() => parsePageToken(["list"], text), { kind: "invalid_argument" });
    }),
  );
});

test("the last page has no token, also when it is full", () => {
  const keyOf = (order: number) => ({ order, id: "" });
  assert.deepEqual(createPage(["x"], [1, 2], 2, keyOf), { items: [1, 2], nextPageToken: "" });
  const page = createPage(["x"], [1, 2, 3], 2, keyOf);
  assert.deepEqual(page.items, [1, 2]);
  assert.deepEqual(parsePageToken(["x"], page.nextPageToken), { order: 2, id: "" });
});
