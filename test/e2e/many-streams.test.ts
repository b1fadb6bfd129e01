import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { type ChatResponse, FinishReason } from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import { connectLane, type Lane, lanes } from "../support/lanes.ts";
import { until } from "../support/listener.ts";
import { connectRaw, streamChatRaw } from "../support/raw-call.ts";
import { replyOf } from "../support/wire.ts";

const streams = 100;

for (const tls of [false, true]) {
  const over = tls ? "TLS" : "h2c";
  const grpc = lanes.find((lane) => lane.protocol === "grpc" && lane.tls === tls) as Lane;

  test(`one connection carries ${streams} live streams and unary calls, ${over}`, async (t) => {
    const app = await startApp(t, { tls });
    const { chat } = connectLane(app, grpc);
    const chunks = 20;
    let live = 0;
    const read = async () => {
      const events: ChatResponse[] = [];
      const request = { message: "Go on", modelId: `scripted:${chunks}x1!hang@${chunks}` };
      for await (const event of chat.streamChat(request)) {
        events.push(event);
        if (event.chunkNumber === chunks) live += 1;
      }
      return events;
    };
    const reading = Array.from({ length: streams }, read);
    await until(() => live === streams);
    for (let call = 0; call < 10; call += 1) assert.equal((await chat.health({})).healthy, true);
    const { runningTurns, activeStreams } = await chat.getServerStats({});
    assert.deepEqual([runningTurns, activeStreams], [streams, streams]);
    assert.equal(app.app.connections().http2Sessions, 1);

    const { sessions } = await chat.listSessions({ pageSize: 200 });
    await Promise.all(sessions.map(({ sessionId }) => chat.cancelTurn({ sessionId })));
    const reply = Array.from({ length: chunks }, (_, index) => `w${index + 1} `).join("");
    for (const events of await Promise.all(reading)) {
      assert.equal(replyOf(events), reply);
      assert.equal(events.at(-1)?.finishReason, FinishReason.CANCELLED);
    }
  });

  test(`a stream that nobody reads delays none of the others, ${over}`, async (t) => {
    const app = await startApp(t, { tls });
    const session = await connectRaw(app);
    // A reply of a few megabytes, of which the client takes one window.
    const unread = streamChatRaw(session, { message: "Go on", modelId: "scripted:20000x0" });
    await once(unread, "response");
    await until(() => unread.state.localWindowSize === 0);
    const others = Array.from({ length: 20 }, () =>
      streamChatRaw(session, { message: "Go on", modelId: "scripted:10x1" }),
    );
    const texts = await Promise.all(
      others.map(async (stream) => {
        let bytes = Buffer.alloc(0);
        for await (const part of stream) bytes = Buffer.concat([bytes, part]);
        return bytes.toString("latin1");
      }),
    );
    for (const text of texts) assert.match(text, /w10 /);
    assert.equal(unread.readableFlowing, null, "still unread");
    // Its turn ends all the same: a slow reader slows nobody, the model least of all.
    await until(() => app.app.engine.runningTurns() === 0);
    unread.close();
  });
}
