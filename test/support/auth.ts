import { join } from "node:path";
import type { TestContext } from "node:test";
import type { KeyEntry } from "../../src/auth/key-list.ts";
import { callJson, startApp, type TestApp, type TestAppOptions } from "./app.ts";
import { createKeyFolder, createTestKey, type TestKey, writeKeys } from "./keys.ts";
import { until } from "./listener.ts";

/** The keys of a server; each change is in AUTH_KEYS_FILE at once, and counts when the server has noticed. */
export type KeyRing = {
  /** The path of AUTH_KEYS_FILE. */
  readonly path: string;
  /** Adds a key, one that may chat unless told otherwise. */
  create(fields?: Partial<KeyEntry>): TestKey;
  change(key: TestKey, fields: Partial<KeyEntry>): void;
  revoke(key: TestKey): void;
};

export function createKeyRing(t: TestContext): KeyRing {
  const path = join(createKeyFolder(t), "keys.json");
  const entries = new Map<string, KeyEntry>();
  const write = () => writeKeys(path, [...entries.values()]);
  const change = ({ entry }: TestKey, fields: Partial<KeyEntry>) => {
    entries.set(entry.id, { ...entry, ...fields });
    write();
  };
  write();
  return {
    path,
    create(fields) {
      const key = createTestKey(fields);
      change(key, {});
      return key;
    },
    change,
    revoke: (key) => change(key, { revokedAt: "2026-01-02T00:00:00Z" }),
  };
}

/** A server that asks for keys. */
export type AuthApp = TestApp & {
  readonly keys: KeyRing;
  /** Two that may chat, each with a principal of its own. */
  readonly alice: TestKey;
  readonly bob: TestKey;
  /** May see `/metrics` and the statistics, and nothing else. */
  readonly operator: TestKey;
};

/**
 * Starts a server with AUTH_KEYS_FILE, in which the keys of the ring are already. Open streams are asked for their
 * credential every 10 ms.
 */
export async function startAuthApp(
  t: TestContext,
  { env, overrides, ...options }: TestAppOptions = {},
  keys: KeyRing = createKeyRing(t),
): Promise<AuthApp> {
  const alice = keys.create({ name: "alice", principal: "alice" });
  const bob = keys.create({ name: "bob", principal: "bob" });
  const operator = keys.create({ name: "operator", scopes: ["metrics"] });
  const app = await startApp(t, {
    ...options,
    env: { AUTH_KEYS_FILE: keys.path, ...env },
    overrides: { credentialCheckMs: 10, ...overrides },
    metricsKey: operator.text,
  });
  return Object.assign(app, { keys, alice, bob, operator });
}

/** Waits until the server has noticed a change of its keys: a call with this one ends with that HTTP status. */
export async function untilStatus(app: TestApp, key: TestKey, status: number): Promise<void> {
  await until(async () => (await callJson(app, "Health", {}, bearer(key))).status === status);
}

/** The header, or gRPC's metadata, of a caller with this key or token. */
export function bearer(credential: TestKey | string): { authorization: string } {
  const text = typeof credential === "string" ? credential : credential.text;
  return { authorization: `Bearer ${text}` };
}
