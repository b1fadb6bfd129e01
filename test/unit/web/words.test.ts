import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  FinishReason,
  MessageSchema,
  ServerStatsResponseSchema,
} from "../../../src/gen/chat/chat_pb.ts";
import { usageWords } from "../../../web/src/chat/usage-words.ts";
import { safeUrl } from "../../../web/src/markdown/safe-url.ts";
import { pathOf, routeOf } from "../../../web/src/route/route.ts";
import { finishWords, wordsOfServer } from "../../../web/src/session/finish-words.ts";
import { toMessageView } from "../../../web/src/session/session-view.ts";
import { titleFrom } from "../../../web/src/session/title.ts";
import { ratesOf } from "../../../web/src/status/rates.ts";

test("a title is the first words of a message, on one line", () => {
  assert.equal(titleFrom("  # Why is\n the **sky** blue? "), "Why is the sky blue?");
  const long = titleFrom("word ".repeat(40));
  assert.ok(long.length <= 61 && long.endsWith("word…"), long);
  assert.equal(titleFrom("🙂".repeat(80)), `${"🙂".repeat(60)}…`);
  assert.equal(titleFrom("*****…"), "*****…", "signs alone are kept");
});

test("a title loses what is Markdown, and nothing that only looks so", () => {
  for (const plain of [
    "How do I use snake_case_names in C#?",
    "Is 5 > 3 or x -> y?",
    "2 * 3 * 4 = ? And 2*3*4, 2**3**4?",
    "<script>alert(1)</script>",
    "What does __init__(self, *args, **kwargs) do?",
    "src/**/*.ts and lib/**/a/**/b, *.js",
    "#hashtag ~/notes a ` b",
    "1. What is a_b?",
  ]) {
    assert.equal(titleFrom(plain), plain);
  }
  for (const [written, title] of [
    ["> ## **bold** and *it*, _so_", "bold and it, so"],
    ["- one\n* two\n+ three", "one two three"],
    ["(**a *b* c**) ***d***! ~~e~~", "(a b c) d! e"],
    ["What is `snake_case` or `**x**`?", "What is snake_case or **x**?"],
    ["```py\n# a comment\nx = 2 ** 3\n```\nWhat is *x*?", "# a comment x = 2 ** 3 What is x?"],
    ["这是**重点**。", "这是重点。"],
  ] as const) {
    assert.equal(titleFrom(written), title);
  }
});

test("a title of a long text of signs is found at once", () => {
  for (const sign of [" *a", " _a", "`", "` a", "**", "*_a", "~~ a", "> "]) {
    assert.ok(titleFrom(sign.repeat(200_000)).length <= 61, sign);
  }
});

test("links are followed by three schemes alone", () => {
  for (const href of ["https://a.example/", "http://a.example/", "mailto:a@b.example"]) {
    assert.equal(safeUrl(href)?.href, href);
  }
  for (const href of [
    "javascript:1",
    "JAVASCRIPT:1",
    "data:text/html,1",
    "/s/x",
    "#x",
    "",
    "//a",
  ]) {
    assert.equal(safeUrl(href), undefined, href);
  }
  assert.equal(safeUrl(undefined), undefined);
});

test("every route has a path, and every path a route", () => {
  for (const route of [
    { page: "status" },
    { page: "chat", sessionId: "" },
    { page: "chat", sessionId: "a b/ü" },
    { page: "missing", path: "/nowhere" },
  ] as const) {
    assert.deepEqual(routeOf(pathOf(route)), route);
  }
  for (const path of ["/nowhere", "/s/", "/s/%zz", "/s/a/b"]) {
    assert.deepEqual(routeOf(path), { page: "missing", path }, path);
  }
});

test("every end but STOP has words, and a known reason has its own", () => {
  for (const reason of Object.values(FinishReason)) {
    if (typeof reason !== "number" || reason === FinishReason.UNSPECIFIED) continue;
    assert.equal(finishWords(reason, "") === undefined, reason === FinishReason.STOP);
  }
  assert.equal(finishWords(FinishReason.FAILED, "MODEL_RETIRED")?.title, "The model is gone");
});

test("the server's words are shown where they tell more than the page's own", () => {
  for (const [reason, message] of [
    ["SERVER_STOPPED", "the server stopped in mid reply; what had arrived is kept"],
    ["MODEL_UNAVAILABLE", "the scripted model is unavailable"],
    ["MODEL_INCOMPLETE", "the model's stream ended without saying why; the reply may be cut short"],
  ] as const) {
    assert.equal(wordsOfServer(reason, message), "", reason);
  }
  for (const [reason, message] of [
    ["MODEL_RATE_LIMITED", "Gemini takes no more requests from this server; try again in 37 s"],
    ["MODEL_RETIRED", 'Gemini has no model "x" for this server'],
    ["MODEL_REFUSED_REQUEST", "Gemini refused the request: bad"],
    ["STORAGE_UNAVAILABLE", "the disk is full"],
    ["MODEL_TURN_TIMEOUT", "the reply took longer than 600 s"],
    ["", "unknown"],
  ] as const) {
    assert.equal(wordsOfServer(reason, message), message, reason);
  }
});

test("what a reply cost is said with what is known of it", () => {
  const usage = { inputTokens: 1_204, outputTokens: 310, thinkingTokens: 5, estimated: true };
  const view = toMessageView(create(MessageSchema, { model: "m", usage }));
  assert.equal(usageWords(view), "m · about 1,204 tokens in, 310 out · 5 thinking");
  const one = toMessageView(create(MessageSchema, { usage: { inputTokens: 1, outputTokens: 1 } }));
  assert.equal(usageWords(one), "1 token in, 1 out");
  const timed = { ...view, usage: undefined, firstChunkMs: 42, totalMs: 3_140 };
  assert.equal(usageWords(timed), "m · first word 0.042 s · 3.1 s");
});

test("rates are between two samples, and never below zero when a server was started again", () => {
  const sample = (at: number, totalRequests: number, outputTokens: bigint) => ({
    at,
    stats: create(ServerStatsResponseSchema, { totalRequests, outputTokens, activeStreams: 3 }),
  });
  const rates = ratesOf([sample(0, 10, 100n), sample(2_000, 12, 300n), sample(4_000, 0, 0n)]);
  assert.deepEqual(
    rates.map(({ requestsPerMinute, tokensPerSecond, streams }) => [
      requestsPerMinute,
      tokensPerSecond,
      streams,
    ]),
    [
      [0, 0, 3],
      [60, 100, 3],
      [0, 0, 3],
    ],
  );
});
