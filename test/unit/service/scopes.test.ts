import assert from "node:assert/strict";
import { test } from "node:test";
import { type Scope, scopes } from "../../../src/auth/authenticator.ts";
import { allows, type RpcAccess, rpcAccess, scopesFor } from "../../../src/service/scopes.ts";
import { services } from "../../../src/service/services.ts";

test("every RPC of every mounted service has a decision, and no decision is left over", () => {
  const rpcs = services.flatMap(({ typeName, methods }) =>
    methods.map(({ name }) => `${typeName}/${name}`),
  );
  assert.deepEqual(Object.keys(rpcAccess).toSorted(), rpcs.toSorted());
});

test("what is public tells nothing about anybody: health and reflection alone", () => {
  const open = Object.keys(rpcAccess).filter((rpc) => rpcAccess[rpc] === "public");
  assert.ok(open.length > 0);
  for (const rpc of open) assert.match(rpc, /^grpc\.(health|reflection)\./);
});

const allowed: Record<RpcAccess, readonly Scope[]> = {
  public: ["chat", "read", "metrics"],
  read: ["chat", "read"],
  chat: ["chat"],
  statistics: ["chat", "read", "metrics"],
  metrics: ["metrics"],
};

for (const access of Object.keys(allowed) as RpcAccess[]) {
  test(`"${access}" is had by one of: ${allowed[access].join(", ")}`, () => {
    for (const scope of scopes) {
      assert.equal(allows(new Set([scope]), access), allowed[access].includes(scope), scope);
    }
    assert.equal(allows(new Set(), access), access === "public");
    assert.equal(allows(new Set(scopes), access), true);
  });
}

test("a caller that lacks a scope is told the one that asks least", () => {
  assert.equal(scopesFor("read")[0], "read");
  assert.equal(scopesFor("statistics")[0], "read");
  assert.equal(scopesFor("chat")[0], "chat");
});
