import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import {
  createRequestGuard,
  type RequestFacts,
  requestFacts,
} from "../../../src/listener/request-guard.ts";

const guard = createRequestGuard({
  allowedHosts: ["chat.example", "other.example:8443", "[2001:DB8::1]"],
  corsOrigins: ["http://localhost:5173", "https://app.example", "tauri://localhost"],
  anonymousLoopback: true,
});

/** "allowed", or the reason of the refusal. */
function verdict(facts: Partial<RequestFacts>): string {
  const decision = guard({
    authority: "localhost:50051",
    origin: undefined,
    encrypted: false,
    ...facts,
  });
  return decision.allowed ? "allowed" : decision.reason;
}

test("serves every way to write this machine, at any port", () => {
  const authorities = [
    "localhost",
    "localhost:50051",
    "LocalHost:80",
    "localhost.:50051",
    "chat.localhost:50051",
    "127.0.0.1",
    "127.0.0.1:50051",
    "127.255.3.4:1",
    "[::1]",
    "[::1]:50051",
    "[0:0:0:0:0:0:0:1]:50051",
    "[::ffff:127.0.0.1]:50051",
  ];
  for (const authority of authorities) assert.equal(verdict({ authority }), "allowed", authority);
});

test("refuses the Host of a rebound name, and every trick that looks like this machine", () => {
  const authorities = [
    "evil.example:50051",
    "localhost.evil.example:50051",
    "127.0.0.1.evil.example",
    "evillocalhost",
    "localhost@evil.example",
    "evil.example@localhost",
    "user:pass@localhost:50051",
    "evil.example#localhost",
    "evil.example/localhost",
    "evil.example\\localhost",
    "evil.example?localhost",
    "localhost, evil.example",
    " localhost",
    "localhost ",
    "localhost\u0000.evil.example",
    "loc%61lhost",
    "localhost..",
    ".localhost",
    "a..localhost",
    ".",
    "localhost:",
    "localhost:99999",
    "localhost:50051:80",
    "localhost:5005a",
    "localho\u017ft",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "127.0.0.01",
    "0.0.0.0:50051",
    "192.168.1.10:50051",
    "::1",
    "[::1",
    "[::2]:50051",
    "[::1%25lo]:50051",
    "[::]:50051",
    "[127.0.0.1]:50051",
    "a".repeat(300),
  ];
  for (const authority of authorities) {
    assert.equal(verdict({ authority }), "HOST_NOT_ALLOWED", authority);
  }
});

test("refuses a request without Host", () => {
  assert.equal(verdict({ authority: undefined }), "HOST_MISSING");
  assert.equal(verdict({ authority: "" }), "HOST_MISSING");
});

test("serves allowed hosts, at their port if they name one", () => {
  assert.equal(verdict({ authority: "chat.example" }), "allowed");
  assert.equal(verdict({ authority: "Chat.Example.:50051" }), "allowed");
  assert.equal(verdict({ authority: "other.example:8443" }), "allowed");
  assert.equal(verdict({ authority: "other.example:50051" }), "HOST_NOT_ALLOWED");
  assert.equal(verdict({ authority: "other.example" }), "HOST_NOT_ALLOWED");
  assert.equal(verdict({ authority: "sub.chat.example" }), "HOST_NOT_ALLOWED");
  assert.equal(verdict({ authority: "[2001:db8:0::1]:50051" }), "allowed");
});

test("serves its own pages and those of CORS_ORIGINS, no others", () => {
  const origins: [origin: string, facts: Partial<RequestFacts>, expected: string][] = [
    ["http://localhost:50051", {}, "allowed"],
    ["http://LOCALHOST:50051", {}, "allowed"],
    ["http://localhost:5173", {}, "allowed"],
    ["https://app.example", {}, "allowed"],
    ["tauri://localhost", {}, "allowed"],
    ["http://localhost", { authority: "localhost:80" }, "allowed"],
    ["https://localhost", { authority: "localhost", encrypted: true }, "allowed"],
    ["https://localhost:50051", { encrypted: true }, "allowed"],
    ["http://[::1]:50051", { authority: "[0:0::1]:50051" }, "allowed"],
    ["https://chat.example", { authority: "chat.example" }, "allowed"],
    ["http://chat.example:81", { authority: "chat.example:81" }, "allowed"],
  ];
  const refused: [origin: string, facts: Partial<RequestFacts>][] = [
    ["null", {}],
    ["", {}],
    ["http://localhost:50052", {}],
    ["http://localhost", {}],
    ["http://127.0.0.1:50051", {}],
    ["https://localhost:50051", {}],
    ["http://localhost:50051", { encrypted: true }],
    ["https://localhost", { authority: "localhost" }],
    ["ftp://localhost:50051", {}],
    ["http://localhost:50051/", {}],
    ["http://user@localhost:50051", {}],
    ["http://localhost:50051 https://app.example", {}],
    ["http://localhost:50051, https://app.example", {}],
    ["http://localhost:50051://x", {}],
    ["http://evil.example", {}],
    ["http://chat.example", {}],
    ["https://APP.example", {}],
    ["https://app.example/", {}],
    ["https://app.example:443", {}],
    ["https://evil.app.example", {}],
    ["localhost:50051", {}],
  ];
  for (const [origin, facts, expected] of origins) {
    assert.equal(verdict({ origin, ...facts }), expected, `${origin} ${JSON.stringify(facts)}`);
  }
  for (const [origin, facts] of refused) {
    assert.equal(
      verdict({ origin, ...facts }),
      "ORIGIN_NOT_ALLOWED",
      `${origin} ${JSON.stringify(facts)}`,
    );
  }
});

test("an allowed Origin does not make up for a foreign Host", () => {
  const facts = { authority: "evil.example:50051", origin: "https://app.example" };
  assert.equal(verdict(facts), "HOST_NOT_ALLOWED");
});

test("says in one line which setting helps, without repeating a long or hostile value", () => {
  const decision = guard({
    authority: `evil\r\nX: y${"a".repeat(500)}`,
    origin: undefined,
    encrypted: false,
  });
  assert.ok(!decision.allowed);
  assert.match(decision.message, /ALLOWED_HOSTS/);
  assert.doesNotMatch(decision.message, /[\r\n]/);
  assert.ok(decision.message.length < 250);
});

test("where callers are known, only a list of allowed hosts restricts, and Origin is left to CORS", () => {
  const facts = { authority: "evil.example", origin: "null", encrypted: false };
  const open = createRequestGuard({ allowedHosts: [], corsOrigins: [], anonymousLoopback: false });
  assert.ok(open(facts).allowed);
  assert.ok(open({ ...facts, authority: undefined }).allowed);
  const listed = createRequestGuard({
    allowedHosts: ["chat.example"],
    corsOrigins: [],
    anonymousLoopback: false,
  });
  assert.ok(!listed(facts).allowed);
  assert.ok(listed({ ...facts, authority: "chat.example" }).allowed);
  assert.ok(listed({ ...facts, authority: "127.0.0.1:50051" }).allowed, "a local health check");
});

test("refuses settings that can match nothing", () => {
  const base = { allowedHosts: [], corsOrigins: [], anonymousLoopback: true };
  for (const host of ["https://chat.example", "chat.example/", "*", "", "a b"]) {
    assert.throws(() => createRequestGuard({ ...base, allowedHosts: [host] }), /ALLOWED_HOSTS/);
  }
  for (const origin of ["*", "null", "app.example", "https://app.example/", "https://*.example"]) {
    assert.throws(() => createRequestGuard({ ...base, corsOrigins: [origin] }), /CORS_ORIGINS/);
  }
});

test("takes the authority of HTTP/2, and for no authority one that its Host header contradicts", () => {
  const told = (headers: Record<string, string>, encrypted = true) =>
    requestFacts({ headers, socket: { encrypted } } as unknown as IncomingMessage);
  const origin = "https://c.example";
  assert.deepEqual(told({ ":authority": "a.example", origin }), {
    authority: "a.example",
    origin,
    encrypted: true,
  });
  assert.equal(told({ ":authority": "a.example", host: "A.example" }).authority, "a.example");
  const { authority } = told({ ":authority": "localhost", host: "b.example" });
  assert.equal(verdict({ authority }), "HOST_NOT_ALLOWED");
  const plain = requestFacts({ headers: { host: "b" }, socket: {} } as unknown as IncomingMessage);
  assert.deepEqual(plain, { authority: "b", origin: undefined, encrypted: false });
});
