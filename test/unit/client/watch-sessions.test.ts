import assert from "node:assert/strict";
import { test } from "node:test";
import type { SessionListItem } from "../../../src/client/watch-sessions.ts";
import { ChatResponse_Type as EventType } from "../../../src/gen/chat/chat_pb.ts";
import { createMemoryClient } from "./memory-client.ts";

const timeout = 10_000;
const created = {
  type: EventType.SESSION_UPDATE,
  updateType: "session_created",
  updateData: "{}",
};

function inWords(item: SessionListItem): string {
  return item.type === "list" ? "list" : item.event.updateType;
}

test("a watch of the session list begins with `list`, and again after each loss", {
  timeout,
}, async (t) => {
  const { client, server, clock } = createMemoryClient(t);
  const seen: string[] = [];
  const read = (async () => {
    for await (const item of client.watchSessions()) {
      seen.push(inWords(item));
      if (seen.length === 4) break;
    }
  })();
  await clock.settle();
  server.tell({ type: EventType.HEARTBEAT });
  server.tell(created);
  await clock.settle();
  server.stop();
  await clock.advance(1_000);
  server.tell(created);
  await read;
  assert.deepEqual(seen, ["list", "session_created", "list", "session_created"]);
  assert.equal(server.open(), 0);
});

test("close ends a watch of the session list without an error", { timeout }, async (t) => {
  const { client } = createMemoryClient(t);
  const watch = client.watchSessions();
  await watch.next();
  const waiting = watch.next();
  await client.close();
  assert.equal((await waiting).done, true);
});
