import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { hashApiKey, idOfApiKey } from "../../../src/auth/api-key.ts";
import { type KeyEntry, parseKeyList } from "../../../src/auth/key-list.ts";
import { CliError } from "../../../src/cli/exit-code.ts";
import { parseExpiry } from "../../../src/cli/expiry.ts";
import { temporaryDirectory } from "./run-cli.ts";
import { runInProcess } from "./run-command.ts";

/** Runs `chatwire keys` in a folder of its own, with keys.json in it as AUTH_KEYS_FILE unless told otherwise. */
function startFolder(t: TestContext) {
  const cwd = temporaryDirectory(t);
  const path = join(cwd, "keys.json");
  return {
    cwd,
    path,
    entries: () => parseKeyList(readFileSync(path, "utf8")),
    run: (args: string[], env: Record<string, string> = { AUTH_KEYS_FILE: path }) =>
      runInProcess(t, ["keys", ...args], "", { cwd, env }),
  };
}

describe("chatwire keys", { timeout: 30_000 }, () => {
  test("create prints the key alone on stdout and keeps its hash alone", async (t) => {
    const { run, path, entries } = startFolder(t);
    const { code, stdout, stderr } = await run(["create", "--name", "laptop"]);
    assert.equal(code, 0);
    const key = stdout.trimEnd();
    assert.equal(stdout, `${key}\n`);
    const id = idOfApiKey(key);
    assert.ok(id && stderr.includes(id) && stderr.includes(path));
    const secret = key.slice(16);
    assert.ok(!stderr.includes(secret) && !readFileSync(path, "utf8").includes(secret));
    const [entry] = entries();
    const { createdAt, ...rest } = entry as KeyEntry;
    assert.deepEqual(rest, {
      id,
      name: "laptop",
      sha256: hashApiKey(key).toString("hex"),
      scopes: ["chat"],
    });
    assert.ok(Math.abs(Date.now() - Date.parse(createdAt)) < 120_000);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test("create takes a principal, scopes, an expiry and limits", async (t) => {
    const { run, entries } = startFolder(t);
    const args = ["--name", "ci", "--principal", "team", "--expires", "2999-01-31"];
    args.push("--scope", "read", "--scope", "metrics", "--scope", "read");
    args.push("--sessions-max", "5", "--streams-max", "0");
    args.push("--turns-per-minute-max", "60", "--tokens-per-day-max", "1000000");
    assert.equal((await run(["create", ...args])).code, 0);
    const [entry] = entries();
    assert.equal(entry?.principal, "team");
    assert.deepEqual(entry?.scopes, ["read", "metrics"]);
    assert.equal(entry?.expiresAt, "2999-01-31T00:00:00.000Z");
    assert.deepEqual(entry?.limits, {
      sessionsMax: 5,
      streamsMax: 0,
      turnsPerMinuteMax: 60,
      tokensPerDayMax: 1_000_000,
    });
  });

  test("list shows every key and its state, and revoke ends one, however often", async (t) => {
    const { run, path, entries } = startFolder(t);
    const key = (await run(["create", "--name", "first"])).stdout.trim();
    const id = idOfApiKey(key) ?? "";
    await run(["create", "--name", "second", "--principal", "team", "--expires", "90d"]);
    const second = entries()[1] as KeyEntry;
    const table = (await run(["list"])).stdout;
    const rows = table
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ {2,}/));
    assert.deepEqual(rows, [
      ["ID", "NAME", "PRINCIPAL", "SCOPES", "CREATED", "EXPIRES", "STATE"],
      [id, "first", id, "chat", entries()[0]?.createdAt ?? "", "never", "active"],
      [second.id, "second", "team", "chat", second.createdAt, second.expiresAt ?? "", "active"],
    ]);
    assert.equal((await run(["revoke", id])).code, 0);
    const text = readFileSync(path, "utf8");
    assert.ok(entries()[0]?.revokedAt);
    assert.equal((await run(["revoke", id])).code, 0);
    assert.equal(readFileSync(path, "utf8"), text);
    const { stdout } = await run(["list", "--json"]);
    const listed = JSON.parse(stdout) as Record<string, unknown>[];
    assert.deepEqual(
      listed.map(({ state }) => state),
      ["revoked", "active"],
    );
    assert.ok(!stdout.includes("sha256"));
  });

  test("the file is --file, else AUTH_KEYS_FILE of the environment, else of .env", async (t) => {
    const { run, cwd, path } = startFolder(t);
    writeFileSync(join(cwd, ".env"), `AUTH_KEYS_FILE=${join(cwd, "dot.json")}\n`);
    await run(["create", "--name", "a"], {});
    assert.ok(existsSync(join(cwd, "dot.json")));
    await run(["create", "--name", "a"]);
    assert.ok(existsSync(path));
    await run(["create", "--name", "a", "--file", "flag.json"]);
    assert.ok(existsSync(join(cwd, "flag.json")));
    assert.equal(parseKeyList(readFileSync(path, "utf8")).length, 1);
    assert.equal((await run(["list"], { AUTH_KEYS_FILE: "" })).code, 2);
  });

  test("what cannot be understood is a usage error that repeats no secret and writes nothing", async (t) => {
    const { run, path } = startFolder(t);
    const secret = `cw_0123456789ab_${"s".repeat(43)}`;
    for (const args of [
      [],
      ["create"],
      ["create", "--name", "n".repeat(101)],
      ["create", "--name", "a", "--scope", "admin"],
      ["create", "--name", "a", "--sessions-max", "-1"],
      ["create", "--name", "a", "--tokens-per-day-max", "1e3"],
      ["create", "--name", "a", "--expires", "soon"],
      ["revoke", secret],
    ]) {
      const { code, stdout, stderr } = await run(args);
      assert.equal(code, 2, args.join(" "));
      assert.equal(stdout, "", args.join(" "));
      assert.notEqual(stderr, "");
      assert.doesNotMatch(stderr, /ssss|\n {4}at /);
    }
    assert.equal(existsSync(path), false);
  });

  test("a file that cannot be used and a key that is not there are told in words", async (t) => {
    const { run, path } = startFolder(t);
    const missing = ["revoke", "0123456789ab"];
    for (const args of [["list"], missing]) assert.equal((await run(args)).code, 1);
    assert.equal(existsSync(path), false);
    await run(["create", "--name", "a"]);
    assert.equal((await run(missing)).code, 1);
    writeFileSync(path, '{"keys":[{}]}');
    for (const args of [["list"], missing, ["create", "--name", "a"]]) {
      const { code, stdout, stderr } = await run(args);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /keys\[0\]: id: is missing/);
      assert.doesNotMatch(stderr, /\n {4}at /);
    }
    assert.equal(readFileSync(path, "utf8"), '{"keys":[{}]}');
  });

  test("two that create at once lose neither key", async (t) => {
    const { run, entries } = startFolder(t);
    const made = await Promise.all([
      run(["create", "--name", "a"]),
      run(["create", "--name", "b"]),
      run(["create", "--name", "c"]),
    ]);
    assert.deepEqual(
      entries()
        .map(({ id }) => id)
        .sort(),
      made.map(({ stdout }) => idOfApiKey(stdout.trim()) ?? "").sort(),
    );
  });
});

describe("--expires", () => {
  const now = Date.UTC(2026, 10, 22, 12);

  test("is a duration, a date or a time ahead", () => {
    for (const [text, expected] of [
      ["90d", "2027-02-20T12:00:00.000Z"],
      ["12h", "2026-11-23T00:00:00.000Z"],
      ["30m", "2026-11-22T12:30:00.000Z"],
      ["2w", "2026-12-06T12:00:00.000Z"],
      ["2027-01-31", "2027-01-31T00:00:00.000Z"],
      ["2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00.000Z"],
    ] as const) {
      assert.equal(parseExpiry(text, now), expected);
    }
  });

  test("is nothing else", () => {
    for (const text of ["", "0d", "-1d", "1.5d", "90", "90 d", "9999999d", "999999w"]) {
      assert.throws(() => parseExpiry(text, now), CliError, text);
    }
    for (const text of ["2026-11-22", "2027-02-29", "31.1.2027", "2027-01-31T12:00:00", "1y"]) {
      assert.throws(() => parseExpiry(text, now), CliError, text);
    }
  });
});
