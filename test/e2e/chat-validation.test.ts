import assert from "node:assert/strict";
import { type MessageInitShape, ScalarType } from "@bufbuild/protobuf";
import {
  ChatRequest_Type,
  ChatRequestSchema,
  ChatResponse_Type,
} from "../../src/gen/chat/chat_pb.ts";
import { bidiLanes, overLanes } from "../support/lanes.ts";
import { openChat } from "../support/stream-call.ts";

const { ERROR, PONG } = ChatResponse_Type;

type Wrong = { name: string; request: MessageInitShape<typeof ChatRequestSchema> };

/** What is wrong in each kind of field: too much text, a number that is none of ours. */
const wrong = ChatRequestSchema.fields.flatMap<Wrong>(({ fieldKind, scalar, name, localName }) => {
  if (fieldKind === "enum") return [{ name, request: { [localName]: 99 } }];
  if (scalar !== ScalarType.STRING) return [];
  return [{ name, request: { [localName]: "x".repeat(1_048_577) } }];
});

const settings: readonly Wrong[] = [
  { name: "generation.temperature", request: { generation: { temperature: 9 } } },
  { name: "generation.top_k", request: { generation: { topK: 0 } } },
  { name: "generation.stop_sequences[0]", request: { generation: { stopSequences: [""] } } },
  { name: "message", request: { message: " \n" } },
];

overLanes(
  "each field of a Chat message is held to its bounds, and the stream goes on",
  bidiLanes.filter(({ tls }) => !tls),
  {},
  async ({ chat }) => {
    assert.ok(wrong.length > 10);
    const { sessionId } = await chat.createSession({ modelId: "scripted:3x0" });
    const call = openChat(chat);
    const refusals = () => call.events.filter(({ type }) => type === ERROR);
    for (const [index, { name, request }] of [...wrong, ...settings].entries()) {
      await call.send({ sessionId, message: "Hi", ...request });
      await call.first(() => refusals().length > index);
      const { errorReason, errorMessage, sequence } = refusals()[index] ?? assert.fail();
      assert.deepEqual([errorReason, sequence], ["INVALID_REQUEST", 0n], name);
      assert.ok(errorMessage.includes(name), `${name} is not in "${errorMessage.slice(0, 200)}"`);
    }
    await call.send({ type: ChatRequest_Type.PING });
    await call.firstOf(PONG);
    call.halfClose();
    assert.equal(await call.ended, undefined);
    assert.equal((await chat.listMessages({ sessionId })).messages.length, 0);
  },
);
