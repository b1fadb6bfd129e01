import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { flagOf, settingNames, settings } from "../../../src/config/settings.ts";
import { startCli, temporaryDirectory } from "./run-cli.ts";
import { runInProcess } from "./run-command.ts";

const bin = new URL("../../../bin/chatwire.js", import.meta.url);

describe("the command line", { timeout: 60_000 }, () => {
  test("serve --help shows every setting with its default, and secrets without a flag", async (t) => {
    const { code, stdout } = await runInProcess(t, ["serve", "--help"]);
    assert.equal(code, 0);
    const words = stdout.replace(/\s+/g, " ");
    for (const name of settingNames) {
      const { default: standard, help } = settings[name];
      assert.ok(words.includes(help), name);
      const flag = flagOf(name);
      if (flag === undefined) assert.doesNotMatch(words, new RegExp(`--${name.toLowerCase()}`));
      else {
        assert.ok(words.includes(`--${flag} `), name);
        assert.ok(
          words.includes(standard === "" ? `(${name})` : `(${name}, default ${standard})`),
          name,
        );
      }
    }
  });

  test("a reader that leaves early is no failure", async (t) => {
    const cli = startCli(t, ["serve", "--help"]);
    cli.child.stdout?.destroy();
    const { code, stderr } = await cli.result();
    assert.deepEqual([code, stderr], [0, ""]);
  });

  test("what cannot be understood is a usage error", async (t) => {
    for (const args of [
      ["chat", "--protocol", "carrier-pigeon", "hi"],
      ["chat", "--url", "localhost:50051", "hi"],
      ["chat", "--url", "ftp://host", "hi"],
      ["chat", "--url", "http://me:secret@host", "hi"],
      ["chat", "--nope"],
      ["serve", "--nope"],
      ["serve", "surplus"],
      ["nope"],
      [],
    ]) {
      const { code, stdout, stderr } = await runInProcess(t, args);
      assert.equal(code, 2, args.join(" "));
      assert.equal(stdout, "");
      assert.notEqual(stderr, "");
      assert.doesNotMatch(stderr, /secret|\n {4}at /);
    }
  });

  test("--version is the package's", async (t) => {
    const file = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
    const { code, stdout } = await runInProcess(t, ["--version"]);
    assert.deepEqual([code, stdout.trim()], [0, JSON.parse(file).version]);
  });

  test("a Node that is too old is told in words, without a stack trace", (t) => {
    const source = readFileSync(bin, "utf8").replaceAll("process.versions.node", '"12.22.12"');
    const file = join(temporaryDirectory(t), "chatwire.mjs");
    writeFileSync(file, source);
    assert.throws(
      () => execFileSync(process.execPath, [file], { stdio: "pipe" }),
      (error: { status: number; stderr: Buffer }) => {
        assert.equal(error.status, 1);
        assert.match(
          String(error.stderr),
          /needs Node\.js 24\.17 or newer, and this is 12\.22\.12/,
        );
        assert.doesNotMatch(String(error.stderr), / at /);
        return true;
      },
    );
  });
});
