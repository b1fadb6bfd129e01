import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { buf, root } from "./buf.ts";

/** What every client of the original service was generated from. */
const seed = join(root, "test/fixtures/contract/seed.proto");

describe("the check for breaking changes", () => {
  it("accepts the contract as it is", async () => {
    const { exitCode, stdout, stderr } = await buf(["breaking", "--against", seed]);
    assert.equal(exitCode, 0, stdout.toString("utf8") + stderr);
  });

  for (const [change, was, is] of [
    ["a renumbered field", "int32 message_count = 5;", "int32 message_count = 500;"],
    ["a renamed field", "string chunk_text = 5;", "string text = 5;"],
    ["a field of another type", "bool is_final = 7;", "string is_final = 7;"],
    [
      "a field that becomes repeated",
      "string update_type = 12;",
      "repeated string update_type = 12;",
    ],
    ["a removed field", "string error_message = 11;", ""],
    ["a renamed enum value", "PONG = 5;", "ECHO = 5;"],
    ["a renumbered enum value", "TYPING_STOP = 3;", "TYPING_STOP = 300;"],
    ["a renamed RPC", "rpc DeleteSession(", "rpc RemoveSession("],
    ["an RPC that no longer streams", "rpc Chat(stream ChatRequest)", "rpc Chat(ChatRequest)"],
    [
      "an RPC with another request",
      "rpc GetSessionInfo(Session",
      "rpc GetSessionInfo(DeleteSession",
    ],
    ["a renamed service", "service ChatService {", "service Chats {"],
    ["another package", "package chat;", "package chat.v1;"],
  ] as const) {
    it(`refuses ${change}`, async (t) => {
      const directory = await contractWith(t, was, is);
      const { exitCode, stderr } = await buf(["breaking", "--against", seed], directory);
      assert.equal(exitCode, breaks, stderr);
    });
  }
});

/** buf's exit code for a check that found something; 1 is a failure to check. */
const breaks = 100;

/** A copy of the module with one text of the contract replaced. */
async function contractWith(t: TestContext, was: string, is: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "chatwire-contract-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  await cp(join(root, "buf.yaml"), join(directory, "buf.yaml"));
  await cp(join(root, "proto"), join(directory, "proto"), { recursive: true });
  const path = join(directory, "proto/chat/chat.proto");
  const source = await readFile(path, "utf8");
  assert.ok(source.includes(was), `the contract has no "${was}"`);
  await writeFile(
    path,
    source.replaceAll(was, () => is),
  );
  return directory;
}
