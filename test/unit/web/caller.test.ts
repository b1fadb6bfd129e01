import assert from "node:assert/strict";
import { test } from "node:test";
import { createApiKey } from "../../../src/auth/api-key.ts";
import { callerOf, claimStore } from "../../../web/src/client/caller.ts";

const jwt = (claims: unknown) =>
  `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2lnbmF0dXJl`;

test("a caller is told by what is public in the credential", () => {
  const { id, text } = createApiKey();
  assert.equal(callerOf(text), `key:${id}`);
  assert.equal(callerOf(jwt({ sub: "ada?>~", exp: 1 })), "jwt:ada?>~");
  assert.equal(callerOf(jwt({ sub: "ada?>~", exp: 2 })), "jwt:ada?>~");
});

test("where that cannot be told nobody is the same", () => {
  for (const token of ["", "secret", "cw_short_x", "a.b.c", jwt({}), jwt({ sub: 7 }), jwt(null)]) {
    assert.equal(callerOf(token), undefined, token);
  }
});

test("a store is the same caller's, another's or nobody's", () => {
  const kept = new Map<string, string>();
  const store = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => void kept.set(name, text),
    removeItem: (name: string) => void kept.delete(name),
  };
  const claim = (token: string) => claimStore(store, token);
  const [alice, bob] = [createApiKey().text, createApiKey().text];
  assert.deepEqual(
    [claim(alice), claim(alice), claim(bob), claim("opaque"), claim("opaque"), claim(bob)],
    ["nobody", "same", "other", "other", "nobody", "nobody"],
  );
  assert.ok(![...kept.values()].some((text) => text.includes(bob)));
});
