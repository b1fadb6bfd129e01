import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createApiKey } from "../../src/auth/api-key.ts";
import { formatKeyList, type KeyEntry } from "../../src/auth/key-list.ts";

export type TestKey = { readonly text: string; readonly entry: KeyEntry };

/** A new key and its entry: a key that may chat, unless told otherwise. */
export function createTestKey(fields: Partial<KeyEntry> = {}): TestKey {
  const { id, text, sha256 } = createApiKey();
  const createdAt = "2026-01-01T00:00:00Z";
  return { text, entry: { id, name: "test", sha256, scopes: ["chat"], createdAt, ...fields } };
}

/** Writes a key file in place. */
export function writeKeys(path: string, entries: readonly KeyEntry[]): void {
  writeFileSync(path, formatKeyList(entries), { mode: 0o600 });
}

/** A folder for key files, removed after the test. */
export function createKeyFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "chatwire-keys-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
