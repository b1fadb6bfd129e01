import assert from "node:assert/strict";
import { ChatResponse_Type, ChunkBy } from "../../src/gen/chat/chat_pb.ts";
import { lanes, overLanes } from "../support/lanes.ts";
import { collect, replyOf } from "../support/wire.ts";

/** Everything that chunking, encodings and terminals like to break. */
const text = [
  "  Two spaces, a\ttab, and a trailing space \r\n",
  "```python\ndef f(x):\n\tif x:\n\t\treturn  '''\u00a0'''\n\n\n```\n\n",
  "Emoji: 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪🇫🇷 🧑🏿‍🚀\n",
  "Combining: e\u0301 o\u0308\u0323 क्षि ก็ 각 z\u0351\u036b\u0343\n",
  "Right to left: שלום \u200fעולם \u202bمرحبا\u202c\n",
  "Odd ones: \u0000 \u001b[31m \ufeff \u2028 \ufffd \u{10ffff} \u0085\n",
  '{"json": "\\u0041\\n"} <b>&amp;</b>\n\n\n ',
].join("");

const bytes = Buffer.from(text);

overLanes("a reply arrives byte for byte", lanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:say" });
  for (const chunkBy of [ChunkBy.UNSPECIFIED, ChunkBy.WORD, ChunkBy.CHARACTER]) {
    const events = await collect(chat.streamChat({ sessionId, message: text, chunkBy }));
    assert.deepEqual(Buffer.from(replyOf(events)), bytes, `chunk_by ${chunkBy}`);
    const sent = await chat.sendMessage({ sessionId, message: text, chunkBy });
    assert.deepEqual(Buffer.from(sent.text), bytes);
  }
  for (const message of (await chat.listMessages({ sessionId })).messages) {
    assert.deepEqual(Buffer.from(message.text), bytes);
  }
});

overLanes("chunks are words, or characters, on request", lanes, {}, async ({ chat }) => {
  const chunks = async (chunkBy: ChunkBy) => {
    const message = "Hi there,\n\n👩‍👩‍👧‍👦 e\u0301!";
    const events = await collect(chat.streamChat({ message, chunkBy, modelId: "scripted:say" }));
    return events
      .filter(({ type }) => type === ChatResponse_Type.CHUNK)
      .map(({ chunkText }) => chunkText);
  };
  assert.deepEqual(await chunks(ChunkBy.WORD), ["Hi ", "there,\n\n", "👩‍👩‍👧‍👦 ", "e\u0301!"]);
  assert.deepEqual(await chunks(ChunkBy.CHARACTER), [
    ...Array.from("Hi there,\n\n"),
    "👩‍👩‍👧‍👦",
    " ",
    "e\u0301",
    "!",
  ]);
});
