import assert from "node:assert/strict";
import { test } from "node:test";
import { QuotaFailureSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { bearer, startAuthApp } from "../../support/auth.ts";
import { binaryLanes, connectLane, type LaneClient } from "../../support/lanes.ts";
import { openWatch } from "../../support/stream-call.ts";
import { collect, failureOf } from "../../support/wire.ts";
import { assertRefused } from "./limited.ts";

type Chat = LaneClient["chat"];
type Options = { headers: Record<string, string> };

const modelId = "scripted:say";

/** What uses each setting's limit of 1 up for alice, and what is refused then. */
const settings: Readonly<
  Record<
    string,
    [reason: string, use: (chat: Chat, own: Options) => Promise<() => Promise<unknown>>]
  >
> = {
  SESSIONS_PER_PRINCIPAL_MAX: [
    "TOO_MANY_SESSIONS",
    async (chat, own) => {
      await chat.createSession({ modelId }, own);
      return () => chat.createSession({ modelId }, own);
    },
  ],
  STREAMS_PER_PRINCIPAL_MAX: [
    "TOO_MANY_STREAMS",
    async (chat, own) => {
      const watch = openWatch(chat, { sessionList: true }, own);
      await watch.update("watching");
      return async () => {
        try {
          await collect(chat.watchSession({ sessionList: true }, own));
        } finally {
          watch.abort();
          await watch.ended;
        }
      };
    },
  ],
  TURNS_PER_MINUTE_MAX: [
    "TOO_MANY_TURNS_PER_MINUTE",
    async (chat, own) => {
      await chat.sendMessage({ message: "Hi", modelId }, own);
      return () => chat.sendMessage({ message: "Hi", modelId }, own);
    },
  ],
  TOKENS_PER_DAY_MAX: [
    "TOKENS_USED_UP",
    async (chat, own) => {
      await chat.sendMessage({ message: "Hi", modelId }, own);
      return () => chat.sendMessage({ message: "Hi", modelId }, own);
    },
  ],
};

for (const lane of binaryLanes) {
  for (const [name, [reason, use]] of Object.entries(settings)) {
    test(`${name} holds for each principal alone (${lane.name})`, async (t) => {
      const app = await startAuthApp(t, { env: { [name]: "1" } });
      const { chat } = connectLane(app, lane);
      const again = await use(chat, { headers: bearer(app.alice) });
      const error = await failureOf(again());
      assertRefused(error, reason, name);
      const [quota] = error.findDetails(QuotaFailureSchema);
      assert.ok(quota?.violations[0]?.description, "what the limit is, in words");
      // Bob has what alice has used up.
      const his = await use(chat, { headers: bearer(app.bob) });
      await failureOf(his());
    });
  }
}
