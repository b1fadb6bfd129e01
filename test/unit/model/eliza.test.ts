import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { Model } from "../../../src/chat/model.ts";
import { createElizaProvider } from "../../../src/model/eliza.ts";
import { answer } from "../../../src/model/eliza-engine.ts";
import { finishesIn, generateAll, requestOf, said, textIn } from "../../support/model-requests.ts";

/** Eliza's answers to these messages, one after the other. */
function talk(...texts: string[]): string[] {
  const messages: ReturnType<typeof said>[] = [];
  return texts.map((text) => {
    messages.push(said("user", text));
    const reply = answer(messages);
    messages.push(said("model", reply));
    return reply;
  });
}

suite("what Eliza says", () => {
  test("greets by name once she knows it", () => {
    const [first, , again] = talk("My name is Ada.", "It is raining", "hello");
    assert.equal(first, "Hello, Ada. What would you like to talk about?");
    assert.match(again ?? "", /^Hello, Ada\./);
  });

  test("takes a name from an introduction, and not from a state of mind", () => {
    assert.match(talk("Hi, I'm Grace")[0] ?? "", /^Hello, Grace\./);
    assert.deepEqual(talk("What is my name?"), ["You have not told me your name yet."]);
    assert.match(talk("call me ishmael", "what's my name?")[1] ?? "", /your name is Ishmael/);
    assert.doesNotMatch(talk("I am sad")[0] ?? "", /, sad/);
  });

  test("comes back to what was said when nothing else matches", () => {
    const replies = talk("My mother worries about me.", "Hm.", "Hm.");
    assert.equal(replies[0], "Tell me more about your mother.");
    assert.equal(
      replies[1],
      "Earlier you said your mother worries about you. Tell me more about that.",
    );
    assert.doesNotMatch(replies[2] ?? "", /mother/);
  });

  test("remembers what she is asked for", () => {
    const replies = talk(
      "My dog likes the sea.",
      "My exam is on Friday.",
      "Do you remember my exam?",
    );
    assert.match(replies[2] ?? "", /your exam is on Friday/);
  });

  test("takes the keyword of the highest rank, wherever it stands", () => {
    const [reply] = talk("Yes. Because my computer is slow.");
    assert.match(reply ?? "", /computer/i);
  });

  test("sees things from the other side", () => {
    assert.deepEqual(talk("Maybe you are avoiding my questions."), [
      "What makes you think that I am avoiding your questions?",
    ]);
    assert.deepEqual(talk("Can you help me with my homework?"), [
      "You believe that I can help you with your homework, do you?",
    ]);
  });

  test("goes by the history that she is given, whoever wrote it", () => {
    const history = [
      said("user", "It rains"),
      said("model", "Please go on."),
      said("user", "It rains"),
    ];
    assert.notEqual(answer(history), "Please go on.");
    assert.equal(answer(history), answer(structuredClone(history)));
  });

  test("any messages have an answer, the same each time, and never the one before", () => {
    const message = fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.constantFrom(
        "yes",
        "no",
        "hello",
        "my mother is ill",
        "why?",
        "I am sad",
        "what is my name",
      ),
    );
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 8 }), (texts) => {
        const replies = talk(...texts);
        assert.deepEqual(talk(...texts), replies);
        for (const [index, reply] of replies.entries()) {
          assert.ok(reply.length > 0);
          assert.doesNotMatch(reply, /\{(?:name|Name|memory)\}/);
          if (index > 0) assert.notEqual(reply, replies[index - 1]);
        }
      }),
    );
  });

  test("a message as long as a message may be takes no time", { timeout: 10_000 }, () => {
    for (const text of ["my ".repeat(349_000), "i recall ".repeat(90_000), "?".repeat(1_000_000)]) {
      assert.ok(answer([said("user", text)]).length < 5_000);
    }
  });
});

suite("how Eliza speaks", () => {
  test("a word at a time, each due after the start and not after the one before", async () => {
    let nowMs = 1_000;
    const pauses: number[] = [];
    const eliza = elizaOf({
      wordsPerSecond: 4,
      clock: { now: () => 0, monotonicMs: () => nowMs },
      sleep: async (ms) => {
        pauses.push(ms);
        nowMs += ms + 50;
      },
    });
    const parts = await generateAll(eliza, requestOf("My name is Ada."));
    const words = parts.filter((part) => part.type === "text").map(({ text }) => text);
    assert.deepEqual(words.slice(0, 3), ["Hello, ", "Ada. ", "What "]);
    assert.deepEqual(pauses, [250, ...Array(words.length - 2).fill(200)]);
  });

  test("an abort ends a pause at once", { timeout: 5_000 }, async () => {
    const eliza = elizaOf({ wordsPerSecond: 0.001 });
    const controller = new AbortController();
    const parts = generateAll(eliza, requestOf("Hello"), controller.signal);
    setImmediate(() => controller.abort());
    assert.equal(textIn(await parts), "Hello. ");
  });

  for (const wordsPerSecond of [0, Number.POSITIVE_INFINITY]) {
    test(`${wordsPerSecond} words per second is without pauses`, async () => {
      const eliza = elizaOf({ wordsPerSecond, sleep: () => assert.fail("a pause") });
      const parts = await generateAll(eliza, requestOf("Hello"));
      assert.equal(textIn(parts), answer([said("user", "Hello")]));
    });
  }

  test("max_output_tokens counts words, a stop sequence ends the text", async () => {
    const eliza = elizaOf({ wordsPerSecond: 0 });
    const few = await generateAll(
      eliza,
      requestOf("Hello", { generation: { maxOutputTokens: 2 } }),
    );
    assert.deepEqual([textIn(few), finishesIn(few)], ["Hello. How ", ["max_tokens"]]);
    const generation = { stopSequences: ["feeling", "today"] };
    const stopped = await generateAll(eliza, requestOf("Hello", { generation }));
    assert.deepEqual([textIn(stopped), finishesIn(stopped)], ["Hello. How are you ", ["stop"]]);
  });

  test("the usage counts words and says that it is an estimate", async () => {
    const parts = await generateAll(
      elizaOf({ wordsPerSecond: 0 }),
      requestOf("Hello there", { systemInstruction: "Be kind." }),
    );
    const usage = parts.find((part) => part.type === "usage")?.usage;
    assert.deepEqual(
      [usage?.inputTokens, usage?.outputTokens, usage?.totalTokens, usage?.estimated],
      [4, 6, 10, true],
    );
  });
});

function elizaOf(options: Parameters<typeof createElizaProvider>[0]): Model {
  const eliza = createElizaProvider(options).model("eliza");
  assert.ok(eliza);
  return eliza;
}
