import { Code } from "@connectrpc/connect";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { bidiLanes, overLanes, plainLanes } from "../support/lanes.ts";
import { openChat } from "../support/stream-call.ts";
import { assertError, collect, failureOf } from "../support/wire.ts";

// What no header can hold, among it what would end one.
const odd = ["Ā", "\r\nset-cookie: a=b", "😀", "a b"];

overLanes("a session_id of any text is NOT_FOUND", plainLanes, {}, async ({ chat }) => {
  for (const sessionId of odd) {
    for (const call of [
      collect(chat.watchSession({ sessionId })),
      collect(chat.streamChat({ sessionId, message: "Hi" })),
      chat.sendMessage({ sessionId, message: "Hi" }),
      chat.getSessionInfo({ sessionId }),
    ]) {
      assertError(await failureOf(call), Code.NotFound, "SESSION_NOT_FOUND");
    }
  }
});

const bidi = bidiLanes.filter(({ tls }) => !tls);

overLanes("a Chat stream is told so and goes on", bidi, {}, async ({ chat }) => {
  for (const sessionId of odd) {
    const call = openChat(chat);
    await call.send({ sessionId, message: "Hi" });
    await call.first(({ errorReason }) => errorReason === "SESSION_NOT_FOUND");
    await call.send({ type: 1 });
    await call.firstOf(ChatResponse_Type.PONG);
    call.halfClose();
    await call.ended;
  }
});
