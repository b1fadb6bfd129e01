import assert from "node:assert/strict";
import { ChunkBy } from "../../src/gen/chat/chat_pb.ts";
import { binaryLanes, overLanes } from "../support/lanes.ts";
import { collect, replyOf } from "../support/wire.ts";

const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });

/** Texts that a model which gives three UTF-16 units at a time cuts inside their graphemes. */
const texts = [
  "e\u0301\u0301\u0301 a\u0308",
  "🚀👨🏽\u200d🚒👍🏽🇩🇪🇫🇷!",
  "हिन्दी में",
  "ภาษาไทยนี้",
  "1\ufe0f\u20e3 for a\r\nb",
];

overLanes("no chunk begins or ends inside a grapheme", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:say" });
  const { UNSPECIFIED, WORD, CHARACTER } = ChunkBy;
  for (const message of texts) {
    const segments = [...graphemes.segment(message)];
    const starts = new Set([...segments.map(({ index }) => index), message.length]);
    for (const chunkBy of [UNSPECIFIED, WORD, CHARACTER]) {
      const events = await collect(chat.streamChat({ sessionId, message, chunkBy }));
      assert.equal(replyOf(events), message);
      let end = 0;
      for (const { chunkText } of events) {
        end += chunkText.length;
        assert.ok(starts.has(end), `chunk_by ${chunkBy}: "${message}" is cut at ${end}`);
      }
    }
  }
});
