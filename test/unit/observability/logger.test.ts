import assert from "node:assert/strict";
import { describe, it } from "node:test";
import Fastify from "fastify";
import { createApiKey } from "../../../src/auth/api-key.ts";
import { loggerOptions } from "../../../src/observability/logger.ts";

const token = `eyJhbGciOiJFUzI1NiJ9.${"x".repeat(40)}.${"y".repeat(40)}`;

/** A logger of that set-up, and its lines. */
function open(secrets: readonly string[] = []) {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  const { log } = Fastify({
    logger: loggerOptions({ level: "info", logContent: false, secrets, stream }),
  });
  return { log, lines };
}

describe("the logger", () => {
  it("shows no credential, wherever it stands and whoever logs it", () => {
    const secret = 'a "quoted" \\ secret';
    const { log, lines } = open([secret, ""]);
    const key = createApiKey().text;
    for (const text of [secret, key, token, `Bearer ${key}`]) {
      log.info(`before ${text} after`);
      log.info({ authorization: text, headers: { cookie: text } }, "fields");
      log.info(
        { deep: { deeper: { list: [text] } }, req: { method: "GET", url: `/?key=${text}` } },
        "deep",
      );
      log.info({ err: Object.assign(new Error(text), { config: text }) }, "error");
      log.child({ text }).info("child");
    }
    log.info(
      { authorization: "Basic abc", req: { headers: { authorization: "Basic abc" } } },
      "other",
    );
    const all = lines.join("");
    for (const text of [JSON.stringify(secret).slice(1, -1), key, token, "Basic abc"]) {
      assert.ok(!all.includes(text), text);
    }
    assert.match(lines[0] ?? "", /before \[redacted\] after/);
  });

  it("writes one JSON object a line, whatever texts it is given", () => {
    const { log, lines } = open();
    const text = 'x\n{"level":60,"msg":"forged"}\r\u2028\u001b[31m';
    log.info({ text, [text]: 1 }, text);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.indexOf("\n"), (lines[0]?.length ?? 0) - 1);
    assert.ok(!lines[0]?.includes("\u001b"));
    assert.equal(JSON.parse(lines[0] ?? "").text, text);
  });

  it("leaves ordinary texts as they are", () => {
    const { log, lines } = open(["secret-key"]);
    const text = "cw_ is the prefix of keys, eyJ of tokens; the bearer of news";
    log.info({ text }, "said");
    assert.equal(JSON.parse(lines[0] ?? "").text, text);
  });
});
