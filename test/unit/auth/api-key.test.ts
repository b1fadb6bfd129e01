import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createApiKey, hashApiKey, idOfApiKey, isKeyId } from "../../../src/auth/api-key.ts";

describe("API keys", () => {
  test("a new key names its id and is 59 characters long, whatever its secret", () => {
    const ids = new Set<string>();
    let withUnderscore = 0;
    for (let count = 0; count < 1_000; count += 1) {
      const { id, text, sha256 } = createApiKey();
      assert.equal(text.length, 59);
      assert.ok(isKeyId(id));
      assert.equal(idOfApiKey(text), id);
      assert.equal(sha256, hashApiKey(text).toString("hex"));
      assert.equal(Buffer.from(text.slice(16), "base64url").length, 32);
      if (text.slice(16).includes("_")) withUnderscore += 1;
      ids.add(id);
    }
    assert.equal(ids.size, 1_000);
    assert.ok(withUnderscore > 0);
  });

  test("the hash is the one that sha256sum prints of the whole key", () => {
    assert.equal(
      hashApiKey("abc").toString("hex"),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  test("any other text has no id, and none throws", () => {
    const near = fc
      .tuple(fc.nat(58), fc.string({ minLength: 0, maxLength: 3, unit: "binary" }))
      .map(([at, piece]) => {
        const { text } = createApiKey();
        return text.slice(0, at) + piece + text.slice(at + 1);
      });
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), near), (text) => {
        const id = idOfApiKey(text);
        if (id === undefined) return;
        assert.equal(text.length, 59);
        assert.ok(text.startsWith(`cw_${id}_`) && isKeyId(id));
      }),
      { numRuns: 300 },
    );
    const { text } = createApiKey();
    for (const wrong of ["", "cw_", `${text}a`, `${text}\n`, ` ${text}`, text.toUpperCase()]) {
      assert.equal(idOfApiKey(wrong), undefined, JSON.stringify(wrong));
    }
  });
});
