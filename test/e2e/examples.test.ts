import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startApp } from "../support/app.ts";
import { startAuthApp } from "../support/auth.ts";
import { callerOf } from "../support/caller.ts";
import { requireProgram, runProgram, temporaryFolder } from "../support/programs.ts";

const python = "/usr/bin/python3";
const example = fileURLToPath(new URL("../../examples/python/chat.py", import.meta.url));
const nodeExample = fileURLToPath(new URL("../../examples/node/chat.ts", import.meta.url));
const contracts = {
  "today's contract": "../../proto/chat/chat.proto",
  "the original contract": "../fixtures/contract/seed.proto",
};

const skip =
  requireProgram(python, ["-c", "import grpc"]) ||
  requireProgram("protoc", ["--version"]) ||
  requireProgram("/bin/sh", ["-c", "command -v grpc_python_plugin"]);

for (const [name, contract] of Object.entries(contracts)) {
  test(`examples/python/chat.py talks with stubs of ${name}`, { skip }, async (t) => {
    const folder = temporaryFolder(t);
    copyFileSync(new URL(contract, import.meta.url), join(folder, "chat.proto"));
    copyFileSync(example, join(folder, "chat.py"));
    const plugin = "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin";
    const out = [`--python_out=${folder}`, `--grpc_python_out=${folder}`];
    const stubs = await runProgram(t, "protoc", [`-I${folder}`, plugin, ...out, "chat.proto"]);
    assert.equal(stubs.code, 0, stubs.stderr);

    const keyed = await startAuthApp(t);
    for (const [{ port }, key] of [
      [await startApp(t), ""],
      [keyed, keyed.alice.text],
    ] as const) {
      const address = { CHATWIRE_ADDRESS: `127.0.0.1:${port}`, CHATWIRE_API_KEY: key };
      const env = { ...process.env, ...address, no_proxy: "127.0.0.1" };
      const args = [join(folder, "chat.py"), "Hello", "I feel a little tired today"];
      const { code, stdout, stderr } = await runProgram(t, python, args, { env });
      assert.equal(code, 0, stderr);
      const [first = "", ...replies] = stdout.trim().split("\n");
      assert.match(first, /^Session \S+ with eliza\.$/);
      assert.equal(replies.length, 2, stdout);
      assert.ok(replies.every((reply) => reply.trim() !== ""));
    }
  });
}

test("examples/node/chat.ts talks by the client library, in one session", async (t) => {
  const { app, url } = await startApp(t);
  const args = [nodeExample, "Hello", "I feel a little tired today"];
  const env = { ...process.env, CHATWIRE_URL: url, NO_PROXY: "*" };
  const { code, stdout, stderr } = await runProgram(t, process.execPath, args, { env });
  assert.deepEqual([code, stderr], [0, ""]);
  const replies = stdout.trim().split("\n");
  assert.equal(replies.length, 2, stdout);
  assert.ok(replies.every((reply) => reply.trim() !== ""));
  assert.equal(await app.engine.countSessions(callerOf("anonymous")), 1);
});
