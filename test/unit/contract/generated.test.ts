import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { it } from "node:test";
import { buf, root } from "./buf.ts";

it("src/gen is what the proto files generate: otherwise run npm run contract:generate", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "chatwire-generated-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const { exitCode, stderr } = await buf(["generate", "--output", directory]);
  assert.equal(exitCode, 0, stderr);

  const generated = await filesIn(join(directory, "src/gen"));
  const committed = await filesIn(join(root, "src/gen"));
  assert.ok(generated.has(join("chat", "chat_pb.ts")));
  assert.deepEqual([...committed.keys()], [...generated.keys()]);
  const stale = [...generated].filter(([path, text]) => committed.get(path) !== text);
  assert.deepEqual(
    stale.map(([path]) => path),
    [],
  );
});

/** The text of every file below, by its relative path. */
async function filesIn(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  const texts = await Promise.all(paths.map((path) => readFile(path, "utf8")));
  return new Map(paths.map((path, index) => [relative(directory, path), texts[index] ?? ""]));
}
