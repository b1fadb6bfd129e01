import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isReadableOnTheWay, openCredential } from "../../../src/cli/credential.ts";
import { CliError, exitCode } from "../../../src/cli/exit-code.ts";
import { temporaryDirectory } from "./run-cli.ts";

const { signal } = new AbortController();

function writeKey(t: TestContext, text: string): string {
  const path = join(temporaryDirectory(t), "key.txt");
  writeFileSync(path, text);
  return path;
}

test("the key is the file's one line, read anew each time", async (t) => {
  const path = writeKey(t, "cw_one\n");
  const getToken = await openCredential(path, { CHATWIRE_API_KEY: "cw_other" });
  assert.equal(await getToken?.(signal), "cw_one");
  writeFileSync(path, "cw_two\r\n");
  assert.equal(await getToken?.(signal), "cw_two");
});

test("without a file it is the environment's, and without that none", async () => {
  const getToken = await openCredential(undefined, { CHATWIRE_API_KEY: " cw_one\n" });
  assert.equal(await getToken?.(signal), "cw_one");
  assert.equal(await openCredential(undefined, {}), undefined);
  assert.equal(await openCredential(undefined, { CHATWIRE_API_KEY: "" }), undefined);
});

const wrong = {
  nothing: "\n",
  "two lines": "secret\nsecret",
  "a header": "Bearer secret",
  "another alphabet": "secret\u2026",
  "too much": "secret".repeat(2_000),
};

for (const [what, text] of Object.entries(wrong)) {
  test(`a file with ${what} is refused, and not repeated`, async (t) => {
    await assert.rejects(
      openCredential(writeKey(t, text), {}),
      (error) =>
        error instanceof CliError &&
        error.exitCode === exitCode.usage &&
        !error.message.includes("secret"),
    );
  });
}

test("a file that is not there is named", async (t) => {
  const path = join(temporaryDirectory(t), "no-key");
  await assert.rejects(openCredential(path, {}), { message: `${path} cannot be read (ENOENT)` });
});

const urls = {
  "http://localhost:50051": false,
  "http://app.localhost": false,
  "http://127.0.0.1:1": false,
  "http://[::1]:1": false,
  "https://chat.example": false,
  "http://chat.example": true,
  "http://127.0.0.1.evil.example": true,
  "http://192.0.2.1": true,
};

for (const [url, isReadable] of Object.entries(urls)) {
  test(`a key on its way to ${url} can ${isReadable ? "" : "not "}be read`, () => {
    assert.equal(isReadableOnTheWay(url), isReadable);
  });
}
