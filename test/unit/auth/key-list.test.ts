import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  formatKeyList,
  type KeyEntry,
  KeyFileError,
  parseKeyList,
  principalOfKey,
  stateOfKey,
} from "../../../src/auth/key-list.ts";
import { createTestKey } from "../../support/keys.ts";

function problemsOf(text: string): readonly string[] {
  try {
    parseKeyList(text);
  } catch (error) {
    assert.ok(error instanceof KeyFileError, String(error));
    return error.problems;
  }
  return [];
}

const problemsWith = (fields: object) =>
  problemsOf(JSON.stringify({ keys: [{ ...createTestKey().entry, ...fields }] }));

describe("the list of keys", () => {
  test("what is written is read again as it was", () => {
    const entries: KeyEntry[] = [
      createTestKey().entry,
      createTestKey({
        name: "Ünï ☃",
        principal: "team",
        scopes: ["read", "metrics"],
        expiresAt: "2027-01-31T12:00:00.5+01:00",
        revokedAt: "2026-06-01T00:00:00Z",
        limits: { sessionsMax: 0, tokensPerDayMax: 1_000_000 },
      }).entry,
    ];
    assert.deepEqual(parseKeyList(formatKeyList(entries)), entries);
    assert.deepEqual(parseKeyList(`\uFEFF${formatKeyList([])}`), []);
  });

  test("each entry that is wrong is named with its field", () => {
    const good = createTestKey().entry;
    const text = JSON.stringify({
      keys: [
        good,
        { ...createTestKey({ id: "0123456789ab" }).entry, name: "" },
        "no entry",
        { ...createTestKey().entry, id: "x", sha256: 5 },
        good,
      ],
    });
    const starts = [
      "keys[1] (id 0123456789ab): name:",
      "keys[2]: must be an object",
      "keys[3]: id:",
      "keys[3]: sha256:",
      `keys[4] (id ${good.id}): id: another`,
    ];
    const problems = problemsOf(text);
    assert.equal(problems.length, starts.length);
    for (const [index, start] of starts.entries()) assert.ok(problems[index]?.startsWith(start));
  });

  test("any field may be wrong in only its own way", () => {
    for (const fields of [
      { name: "n".repeat(101) },
      { name: "bell\u0007" },
      { name: "half \uD800" },
      { principal: "" },
      { principal: "p".repeat(201) },
      { principal: null },
      { sha256: "A".repeat(64) },
      { scopes: [] },
      { scopes: "chat" },
      { scopes: ["chat", "chat"] },
      { scopes: ["admin"] },
      { createdAt: undefined },
      { createdAt: "yesterday" },
      { expiresAt: "2027-02-31T00:00:00Z" },
      { expiresAt: "2027-01-31" },
      { expiresAt: "2027-01-31T00:00:00" },
      { expiresAt: null },
      { revokedAt: 5 },
      { limits: [] },
      { limits: { sessionsMax: -1 } },
      { limits: { sessionsMax: 1.5 } },
      { limits: { sessionMax: 1 } },
      { expiresAT: "2027-01-31T00:00:00Z" },
    ]) {
      const problems = problemsWith(fields);
      assert.equal(problems.length, 1, JSON.stringify(fields));
      assert.match(problems[0] ?? "", /^keys\[0\] \(id \w{12}\): /);
    }
    assert.deepEqual(problemsWith({ name: "n".repeat(100), principal: "p".repeat(200) }), []);
  });

  test("what is wrong is not repeated: somebody may have pasted a key", () => {
    const { text } = createTestKey();
    for (const field of ["id", "sha256", "scopes", "principal", text]) {
      assert.doesNotMatch(problemsWith({ [field]: [text] }).join(), new RegExp(text.slice(16)));
    }
    assert.doesNotMatch(problemsOf(`{ ${text} }`).join(), new RegExp(text.slice(16)));
  });

  test("10,000 keys are a list, one more is none", () => {
    const { entry } = createTestKey();
    const entries = Array.from({ length: 10_001 }, (_, index) => ({
      ...entry,
      id: String(index).padStart(12, "0"),
    }));
    assert.equal(problemsOf(JSON.stringify({ keys: entries })).length, 1);
    assert.equal(parseKeyList(JSON.stringify({ keys: entries.slice(1) })).length, 10_000);
  });

  test("anything else is KeyFileError and nothing worse", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void problemsOf(text)));
    fc.assert(
      fc.property(fc.json(), (text) => {
        assert.notEqual(problemsOf(text).length, 0);
      }),
    );
    const fields = ["id", "name", "principal", "sha256", "scopes", "createdAt", "limits", "x"];
    fc.assert(
      fc.property(fc.constantFrom(...fields), fc.jsonValue(), (field, value) => {
        void problemsWith({ [field]: value });
        void problemsOf(JSON.stringify({ keys: [value] }));
        void problemsOf(JSON.stringify({ [field]: value, keys: [] }));
      }),
    );
    assert.notEqual(problemsOf("[".repeat(200_000)).length, 0);
    assert.notEqual(problemsOf('{"keys":[],"__proto__":{}}').length, 0);
  });

  test("a broken file is told in 20 problems at most", () => {
    const entries = Array.from({ length: 100 }, () => ({}));
    assert.equal(problemsOf(JSON.stringify({ keys: entries })).length, 20);
  });

  test("keys of one principal speak for the same caller, and none is anonymous", () => {
    const { entry } = createTestKey();
    assert.equal(principalOfKey(entry), `key:${entry.id}`);
    assert.equal(principalOfKey({ ...entry, principal: "team" }), "key:team");
    assert.equal(principalOfKey({ ...entry, principal: "anonymous" }), "key:anonymous");
  });

  test("a key expires at its time, and a revoked one is revoked before and after", () => {
    const { entry } = createTestKey({ expiresAt: "2027-01-31T12:00:00+01:00" });
    const at = Date.UTC(2027, 0, 31, 11);
    assert.equal(stateOfKey(entry, at - 1), "active");
    assert.equal(stateOfKey(entry, at), "expired");
    assert.equal(stateOfKey({ ...entry, revokedAt: entry.createdAt }, at - 1), "revoked");
    assert.equal(stateOfKey({ ...entry, revokedAt: entry.createdAt }, at), "revoked");
  });
});
