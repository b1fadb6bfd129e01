import assert from "node:assert/strict";
import crypto from "node:crypto";
import { renameSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createApiKey } from "../../../src/auth/api-key.ts";
import { checkKey } from "../../../src/auth/key-check.ts";
import { openKeyFile } from "../../../src/auth/key-file.ts";
import { type KeyEntry, principalOfKey } from "../../../src/auth/key-list.ts";
import { ChatError } from "../../../src/chat/errors.ts";
import { createKeyFolder, createTestKey, writeKeys } from "../../support/keys.ts";

const nowMs = Date.UTC(2026, 5, 1);

/** The file's part of `checkKey`, in memory. */
function keysOf(...entries: readonly KeyEntry[]) {
  let current = entries;
  return {
    find: (id: string) => current.find((entry) => entry.id === id),
    close() {},
    set(...next: readonly KeyEntry[]) {
      current = next;
    },
  };
}

function refusalOf(work: () => unknown): ChatError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof ChatError, String(error));
    assert.equal(error.kind, "unauthenticated");
    assert.equal(error.reason, "UNAUTHENTICATED");
    return error;
  }
  assert.fail("it was accepted");
}

describe("checking a key", () => {
  test("a good key says who calls, what for and with which limits", () => {
    const { text, entry } = createTestKey({
      principal: "team",
      scopes: ["read", "metrics"],
      limits: { streamsMax: 3 },
    });
    const { isValid, ...identity } = checkKey(text, keysOf(entry), () => nowMs);
    assert.deepEqual(identity, {
      principal: "key:team",
      isShared: false,
      rateKey: "key:team",
      limits: { streamsMax: 3 },
      scopes: new Set(["read", "metrics"]),
      method: "key",
      credentialId: entry.id,
    });
    assert.equal(isValid(), true);
  });

  test("whatever is wrong is refused in the same words", () => {
    const good = createTestKey();
    const expired = createTestKey({ expiresAt: new Date(nowMs).toISOString() });
    const revoked = createTestKey({ revokedAt: "2026-01-02T00:00:00Z" });
    const keys = keysOf(good.entry, expired.entry, revoked.entry);
    const otherSecret = good.text.slice(0, 16) + createApiKey().text.slice(16);
    const refused = [createApiKey().text, otherSecret, expired.text, revoked.text, "cw_", "cw_x"];
    const texts = refused.map((text) => refusalOf(() => checkKey(text, keys, () => nowMs)).message);
    assert.equal(new Set(texts).size, 1);
    for (const text of refused) assert.ok(!texts[0]?.includes(text.slice(3)) || text === "cw_");
    assert.ok(checkKey(good.text, keys, () => nowMs));
  });

  test("one hash and one comparison in constant time, whether or not the key exists", (t) => {
    const good = createTestKey();
    const keys = keysOf(good.entry);
    const wrong = good.text.slice(0, 16) + createApiKey().text.slice(16);
    const tried = [good.text, wrong, createApiKey().text, "cw_nonsense"];
    const compare = t.mock.method(crypto, "timingSafeEqual");
    const hash = t.mock.method(crypto, "createHash");
    syncBuiltinESMExports();
    t.after(() => {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    });
    for (const [index, text] of tried.entries()) {
      if (index === 0) checkKey(text, keys, () => nowMs);
      else refusalOf(() => checkKey(text, keys, () => nowMs));
      assert.equal(compare.mock.callCount(), index + 1);
      assert.equal(hash.mock.callCount(), index + 1);
    }
  });

  test("an identity is good no longer than its key is", () => {
    const { text, entry } = createTestKey({
      principal: "team",
      scopes: ["chat", "read"],
      expiresAt: new Date(nowMs + 1_000).toISOString(),
    });
    const keys = keysOf(entry);
    let time = nowMs;
    const { isValid } = checkKey(text, keys, () => time);
    const bad: KeyEntry[][] = [
      [],
      [{ ...entry, revokedAt: entry.createdAt }],
      [{ ...entry, sha256: createApiKey().sha256 }],
      [{ ...entry, principal: "others" }],
      [{ ...entry, scopes: ["read"] }],
      [{ ...entry, expiresAt: new Date(nowMs).toISOString() }],
    ];
    for (const entries of bad) {
      keys.set(...entries);
      assert.equal(isValid(), false, JSON.stringify(entries));
      keys.set({ ...entry, name: "renamed", scopes: ["read", "chat", "metrics"] });
      assert.equal(isValid(), true);
    }
    time += 999;
    assert.equal(isValid(), true);
    time += 1;
    assert.equal(isValid(), false);
  });

  test("a key that is revoked in the file is invalid as soon as the file is read again", async (t) => {
    const path = join(createKeyFolder(t), "keys.json");
    const { text, entry } = createTestKey();
    writeKeys(path, [entry]);
    const reloaded = Promise.withResolvers<number>();
    const keys = await openKeyFile({
      path,
      onProblem: assert.fail,
      onReload: reloaded.resolve,
    });
    t.after(keys.close);
    const { isValid } = checkKey(text, keys, () => nowMs);
    assert.equal(isValid(), true);
    writeKeys(`${path}.new`, [{ ...entry, revokedAt: "2026-01-02T00:00:00Z" }]);
    renameSync(`${path}.new`, path);
    assert.equal(await reloaded.promise, 1);
    assert.equal(isValid(), false);
    refusalOf(() => checkKey(text, keys, () => nowMs));
  });

  test("two keys of one principal are one caller", () => {
    const [old, next] = [createTestKey({ principal: "ci" }), createTestKey({ principal: "ci" })];
    const keys = keysOf(old.entry, next.entry);
    const principals = [old, next].map(({ text }) => checkKey(text, keys, () => nowMs).principal);
    assert.deepEqual(principals, [principalOfKey(old.entry), principalOfKey(old.entry)]);
  });
});
