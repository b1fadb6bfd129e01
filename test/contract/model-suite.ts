import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { suite, type TestContext, test } from "node:test";
import type { Model, ModelPart, ModelRequest } from "../../src/chat/model.ts";
import {
  finishesIn,
  generateAll,
  requestOf,
  sessionOf,
  textIn,
} from "../support/model-requests.ts";

/** What the suite needs of an adapter; what is absent is left out, and said so. */
export type ModelHarness = {
  /** Answers and ends by itself, with `stop`. */
  model: Model;
  /** Yields a part or more and then nothing, for ever. */
  endless: Model;
  /** Never yields anything. */
  silent?: Model;
  /** Its stream ends without a reason. */
  cutShort?: Model;
  /** Fails before its first part. */
  failing?: Model;
  /** Says the last message of the user back. */
  echoing?: Model;
  /** How often the provider was called. */
  calls?: () => number;
  /** Resolves when so many calls have reached the provider. */
  sawCalls?: (count: number) => Promise<void>;
  /** Resolves when the provider has seen so many calls aborted. */
  sawAborts?: (count: number) => Promise<void>;
  /** What a provider was given for this request: the instruction, and each message as "role: text". */
  given?: (request: ModelRequest) => Promise<{ systemInstruction: string; messages: string[] }>;
};

const patience = { timeout: 20_000 };

const awkwardText =
  '\ttabs\n\n\n```ts\nconst a = `b`;\r\n```\n  trailing  \u00a0 café 👩‍👩‍👧‍👦 🇩🇪 नमस्ते \u{1f44b}\u{1f3fd} "q" \\n </s> data: x\n\n';

/** The promises of the Model port (src/chat/model.ts), held to every adapter. */
export function modelSuite(name: string, open: (t: TestContext) => Promise<ModelHarness>): void {
  suite(`the model contract: ${name}`, () => {
    endings(open);
    aborts(open);
    history(open);
  });
}

type Open = (t: TestContext) => Promise<ModelHarness>;

function endings(open: Open): void {
  test(
    "a reply ends with one finish, after which only usage comes, and tells its usage",
    patience,
    async (t) => {
      const { model } = await open(t);
      const parts = await generateAll(model, requestOf("Tell me about it"));
      assert.deepEqual(finishesIn(parts), ["stop"]);
      const afterFinish = parts.slice(parts.findIndex(({ type }) => type === "finish") + 1);
      assert.deepEqual(
        afterFinish.filter(({ type }) => type !== "usage"),
        [],
      );
      assert.notEqual(textIn(parts), "");
      const usage = parts.findLast((part) => part.type === "usage")?.usage;
      assert.ok(usage && usage.inputTokens > 0 && usage.outputTokens > 0);
      assert.equal(
        usage.totalTokens,
        usage.inputTokens + usage.outputTokens + usage.thinkingTokens,
      );
    },
  );

  test("a stream that is cut ends without a finish", patience, async (t) => {
    const { cutShort } = await open(t);
    if (!cutShort) return t.diagnostic("left out: it is never cut");
    const parts = await generateAll(cutShort, requestOf("Hello there"));
    assert.deepEqual(finishesIn(parts), []);
    assert.notEqual(textIn(parts), "");
  });

  test("a failure is a ModelError with a reason", patience, async (t) => {
    const { failing } = await open(t);
    if (!failing) return t.diagnostic("left out: it never fails");
    await assert.rejects(generateAll(failing, requestOf("Hello there")), {
      name: "ChatError",
      kind: "unavailable",
      reason: "MODEL_UNAVAILABLE",
      retryable: true,
    });
  });

  test("text arrives byte for byte", patience, async (t) => {
    const { echoing } = await open(t);
    if (!echoing) return t.diagnostic("left out: it says nothing that is not its own");
    const parts = await generateAll(echoing, requestOf(awkwardText));
    assert.equal(textIn(parts), awkwardText);
  });
}

function aborts(open: Open): void {
  test("an aborted signal makes no call", patience, async (t) => {
    const { model, calls } = await open(t);
    assert.deepEqual(await generateAll(model, requestOf("Hello"), AbortSignal.abort()), []);
    if (calls) assert.equal(calls(), 0);
  });

  test("an abort in mid reply ends the iteration and reaches the provider", patience, async (t) => {
    const { endless, sawAborts, calls } = await open(t);
    const controller = new AbortController();
    const parts: ModelPart[] = [];
    for await (const part of endless.generate(requestOf("Go on"), controller.signal)) {
      parts.push(part);
      controller.abort();
    }
    assert.ok(parts.length > 0);
    assert.deepEqual(finishesIn(parts), []);
    await sawAborts?.(1);
    if (calls) assert.equal(calls(), 1);
  });

  test(
    "an abort before the first part ends the iteration and reaches the provider",
    patience,
    async (t) => {
      const { silent, sawCalls, sawAborts } = await open(t);
      if (!silent) return t.diagnostic("left out: it begins at once");
      const controller = new AbortController();
      const parts = generateAll(silent, requestOf("Go on"), controller.signal);
      await sawCalls?.(1);
      controller.abort();
      assert.deepEqual(await parts, []);
      await sawAborts?.(1);
    },
  );

  test("a consumer that stops reading ends the provider's call too", patience, async (t) => {
    const { endless, sawAborts } = await open(t);
    const { signal } = new AbortController();
    for await (const part of endless.generate(requestOf("Go on"), signal)) {
      assert.ok(part);
      break;
    }
    await sawAborts?.(1);
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  test("an abort of one reply leaves the others alone", patience, async (t) => {
    const { model, endless } = await open(t);
    const controller = new AbortController();
    const stopped = generateAll(endless, requestOf("Go on"), controller.signal);
    const whole = await Promise.all(
      ["one", "two", "three"].map((text) => generateAll(model, requestOf(`My ${text} is here`))),
    );
    controller.abort();
    assert.deepEqual(finishesIn(await stopped), []);
    for (const parts of whole) assert.deepEqual(finishesIn(parts), ["stop"]);
  });

  test("no listener and no timer is left behind", patience, async (t) => {
    const { model, endless, cutShort, failing } = await open(t);
    const timers = () =>
      process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const controller = new AbortController();
    for (const each of [model, cutShort, failing]) {
      if (each)
        await Promise.allSettled([generateAll(each, requestOf("Hello"), controller.signal)]);
    }
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
    const stopped = generateAll(endless, requestOf("Go on"), controller.signal);
    setImmediate(() => controller.abort());
    await stopped;
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
    assert.equal(timers(), before);
  });
}

function history(open: Open): void {
  test("the whole history reaches the model, thoughts left out", patience, async (t) => {
    const { given } = await open(t);
    if (!given) return t.diagnostic("left out: it cannot tell what it was given");
    const [first, second, third] = sessionOf("one", "two", "three");
    assert.ok(first && second && third);
    const thought = { type: "thought", text: "hidden" } as const;
    const messages = [first, { ...second, parts: [thought, ...second.parts] }, third];
    assert.deepEqual((await given(requestOf("", { messages }))).messages, [
      "user: one",
      "model: two",
      "user: three",
    ]);
  });

  test("the system instruction reaches the model", patience, async (t) => {
    const { given } = await open(t);
    if (!given) return t.diagnostic("left out: it takes no instruction");
    const request = requestOf("Hello", { systemInstruction: "Answer in Latin." });
    assert.equal((await given(request)).systemInstruction, "Answer in Latin.");
  });
}
