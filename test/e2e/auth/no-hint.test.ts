import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { bearer, createKeyRing, startAuthApp } from "../../support/auth.ts";
import { createTestKey } from "../../support/keys.ts";
import { bodyOf, type RawOutcome, rawWires, sendRaw, unaryWires } from "../../support/raw-wires.ts";
import { assertError } from "../../support/wire.ts";

const past = "2026-01-02T00:00:00Z";

/** All that a client can see: status, headers and trailers but the time, and the error with its details. */
function seenIn({ http, headers, error }: RawOutcome): string {
  assert.ok(error, "it was served");
  assertError(error, Code.Unauthenticated, "UNAUTHENTICATED");
  const { date: _, ...others } = headers;
  const lines = Object.entries(others).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify([http, lines, error.rawMessage, error.details]);
}

for (const wire of rawWires) {
  test(`a key that is missing, unknown, wrong, revoked or expired is the same answer to the byte (${wire.name})`, async (t) => {
    const keys = createKeyRing(t);
    const revoked = keys.create({ revokedAt: past });
    const expired = keys.create({ expiresAt: past });
    const app = await startAuthApp(t, {}, keys);
    const shown = {
      unknown: createTestKey().text,
      wrong: app.alice.text.slice(0, 16) + createTestKey().text.slice(16),
      revoked: revoked.text,
      expired: expired.text,
    };
    const rpc = unaryWires.includes(wire) ? "SendMessage" : "StreamChat";
    const body = bodyOf(wire, Buffer.from(wire.json ? '{"message":"Hi"}' : [0x1a, 2, 0x48, 0x69]));
    const send = async (headers: Record<string, string>) =>
      seenIn(await sendRaw(app, wire, { path: `/chat.ChatService/${rpc}`, body, headers }));
    const missing = await send({});
    for (const [name, text] of Object.entries(shown)) {
      assert.equal(await send(bearer(text)), missing, name);
    }
  });
}
