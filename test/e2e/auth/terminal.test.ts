import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { protocols } from "../../../src/cli/protocol.ts";
import { startAuthApp, untilStatus } from "../../support/auth.ts";
import { requireProgram, runProgram, temporaryFolder } from "../../support/programs.ts";
import { modelCalls, words } from "../../support/turn-checks.ts";
import { runCli, startCli } from "../../unit/cli/run-cli.ts";

for (const protocol of protocols) {
  const ask = (url: string, ...more: string[]) =>
    ["chat", "Go on", "--url", url, "--protocol", protocol].concat(more);

  test(`the terminal shows a key from a file or from the environment (${protocol})`, async (t) => {
    const app = await startAuthApp(t);
    const path = join(temporaryFolder(t), "key.txt");
    writeFileSync(path, `${app.alice.text}\n`);
    const args = ask(app.url, "--model", "scripted:3x1");
    const said = { code: 0, stdout: `${words(3)}\n`, stderr: "" };
    assert.deepEqual(await runCli(t, [...args, "--key-file", path]), said);
    const env = { CHATWIRE_API_KEY: app.alice.text };
    assert.deepEqual(await runCli(t, args, "", { env }), said);
  });

  test(`the terminal says how to show a key where none is good (${protocol})`, async (t) => {
    const app = await startAuthApp(t);
    const seen = [
      await runCli(t, ask(app.url)),
      await runCli(t, ask(app.url), "", { env: { CHATWIRE_API_KEY: "cw_nobodys" } }),
    ];
    for (const { code, stdout, stderr } of seen) {
      assert.deepEqual([code, stdout], [5, ""]);
      assert.match(stderr, /--key-file or CHATWIRE_API_KEY/);
      assert.doesNotMatch(stderr, /cw_nobodys/);
    }
  });

  test(`a key that is replaced in its file loses nothing of a reply (${protocol})`, async (t) => {
    const app = await startAuthApp(t);
    const path = join(temporaryFolder(t), "key.txt");
    writeFileSync(path, app.alice.text);
    const args = ask(app.url, "--key-file", path, "--model", "scripted:100x20");
    const cli = startCli(t, args);
    cli.child.stdin?.end();
    await cli.until(/w5 /);
    const next = app.keys.create({ principal: "alice" });
    await untilStatus(app, next, 200);
    writeFileSync(path, next.text);
    app.keys.revoke(app.alice);
    assert.deepEqual(await cli.result(), { code: 0, stdout: `${words(100)}\n`, stderr: "" });
    assert.equal((await app.metrics()).get(modelCalls), 1);
    await untilStatus(app, app.alice, 401);
  });

  test(`a key that is revoked in mid reply is told (${protocol})`, async (t) => {
    const app = await startAuthApp(t, { env: { DISCONNECT_GRACE_MS: "1" } });
    const env = { CHATWIRE_API_KEY: app.alice.text };
    const cli = startCli(t, ask(app.url, "--model", "scripted:1000x20"), { env });
    cli.child.stdin?.end();
    await cli.until(/w5 /);
    app.keys.revoke(app.alice);
    const { code, stderr } = await cli.result();
    assert.equal(code, 5);
    assert.match(stderr, /UNAUTHENTICATED/);
    assert.ok(!stderr.includes(app.alice.text));
  });
}

const skip = requireProgram("bash", ["-c", "true"]);

test("a key may come by a pipe", { skip }, async (t) => {
  const app = await startAuthApp(t);
  const bin = new URL("../../../bin/chatwire.js", import.meta.url).pathname;
  const script =
    '"$0" "$1" chat Hi --url "$2" --model scripted:3x1 --key-file <(printf "%s\\n" "$KEY") </dev/null';
  const env = { ...process.env, KEY: app.alice.text };
  const args = ["-c", script, process.execPath, bin, app.url];
  const { code, stdout, stderr } = await runProgram(t, "bash", args, { env });
  assert.deepEqual([code, stdout, stderr], [0, `${words(3)}\n`, ""]);
});
