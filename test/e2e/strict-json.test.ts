import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { startApp, type TestApp } from "../support/app.ts";
import { bodyOf, type RawWire, rawWires, sendRaw } from "../support/raw-wires.ts";
import { assertError } from "../support/wire.ts";

const jsonWires = rawWires.filter(({ json }) => json);

async function refusal(app: TestApp, wire: RawWire, json: string) {
  const rpc = wire.protocol === "connect-stream" ? "StreamChat" : "SendMessage";
  const body = bodyOf(wire, Buffer.from(json));
  const { error } = await sendRaw(app, wire, { path: `/chat.ChatService/${rpc}`, body });
  assert.ok(error, `served: ${json.slice(0, 100)}`);
  const details = assertError(error, Code.InvalidArgument, "REQUEST_UNDECODABLE");
  assert.ok(error.rawMessage.length < 2_000, "it repeats what was sent");
  return { ...details, message: error.rawMessage };
}

for (const wire of jsonWires) {
  test(`a misspelt field or enum value is refused by its path (${wire.name})`, async (t) => {
    const app = await startApp(t);
    const wrong: [string, string[], RegExp][] = [
      ['{"mesage":"Hi"}', ["mesage"], /has type, session_id, message/],
      ['{"message":"Hi","on_busy":"INTERUPT"}', ["on_busy"], /ON_BUSY_INTERRUPT/],
      ['{"message":"Hi","onBusy":"interrupt"}', ["on_busy"], /ON_BUSY_INTERRUPT/],
      ['{"message":"Hi","type":"MESAGE"}', ["type"], /REGENERATE/],
      [
        '{"message":"Hi","generation":{"temprature":1,"topK":"many"},"chunkBy":"LINE"}',
        ["generation.temprature", "generation.top_k", "chunk_by"],
        /has temperature/,
      ],
      ['{"attachments":[{},{"nam":"a"}]}', ["attachments[1].nam"], /Attachment/],
      ['{"message":"Hi","__proto__":{}}', ["__proto__"], /no field/],
      ['{"message":"Hi","generation":[]}', ["generation"], /object/],
    ];
    for (const [json, fields, says] of wrong) {
      const told = await refusal(app, wire, json);
      assert.deepEqual(told.fields, fields, json);
      assert.match(told.message, says);
    }
  });

  test(`numbers that no field can hold are refused by their path (${wire.name})`, async (t) => {
    const app = await startApp(t);
    const wrong = [
      ['"afterSequence":1180591620717411303424', "after_sequence"],
      ['"afterSequence":"1180591620717411303424"', "after_sequence"],
      ['"afterSequence":-1', "after_sequence"],
      ['"afterSequence":1.5', "after_sequence"],
      ['"afterEpoch":4294967296', "after_epoch"],
      ['"generation":{"temperature":1e400}', "generation.temperature"],
      ['"generation":{"maxOutputTokens":1e400}', "generation.max_output_tokens"],
      ['"generation":{"seed":2147483648}', "generation.seed"],
    ] as const;
    for (const [field, path] of wrong) {
      const { fields } = await refusal(app, wire, `{"message":"Hi",${field}}`);
      assert.deepEqual(fields, [path], field);
    }
  });

  test(`deep and crowded JSON costs no more than its bytes (${wire.name})`, async (t) => {
    const app = await startApp(t);
    const bombs = [
      "[".repeat(1_000_000),
      '{"generation":'.repeat(100_000),
      `{"message":${"[".repeat(500_000)}${"]".repeat(500_000)}}`,
      `{"attachments":[${"{},".repeat(500_000)}{}]}`,
      `{${Array.from({ length: 50_000 }, (_, i) => `"f${i}":0`).join()}}`,
    ];
    for (const json of bombs) await refusal(app, wire, json);
    const { fields } = await refusal(app, wire, '{"message":{"a":{"b":[[[[[[]]]]]]}}}');
    assert.deepEqual(fields, ["message"]);
  });
}

test("a schema that is nested too deeply is refused by its path", async (t) => {
  const app = await startApp(t);
  const [wire] = jsonWires;
  assert.ok(wire);
  const depth = 20_000;
  const schema = `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  const { error } = await sendRaw(app, wire, {
    path: "/chat.ChatService/SendMessage",
    body: bodyOf(
      wire,
      Buffer.from(JSON.stringify({ message: "Hi", generation: { responseJsonSchema: schema } })),
    ),
  });
  assert.ok(error);
  const { fields } = assertError(error, Code.InvalidArgument, "INVALID_REQUEST");
  assert.deepEqual(fields, ["generation.response_json_schema"]);
});
