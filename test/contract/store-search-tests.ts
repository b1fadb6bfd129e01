import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { TidyStore } from "../../src/store/tidier.ts";
import { alice, bob, sampleSession, sampleTurn } from "./store-samples.ts";
import { addTurn, type CreateStore, run } from "./store-steps.ts";

export function searchTests(create: CreateStore): void {
  /** A session with one turn, whose message and reply are given. */
  async function tell(
    store: TidyStore,
    sessionId: string,
    { title = "", ask = "", answer = "", principal = alice, updatedAt = 1_000 },
  ): Promise<void> {
    const session = sampleSession({ sessionId, principal, title, updatedAt });
    const name = `${sessionId}-turn`;
    const turn = sampleTurn(name, { sessionId, principal, createdAt: updatedAt });
    const userMessage = { ...turn.userMessage, parts: [{ type: "text" as const, text: ask }] };
    await addTurn(store, { ...turn, userMessage }, { session });
    const parts = [{ type: "text" as const, text: answer }];
    await run(store, name, { sessionId, parts, endedAt: updatedAt });
  }

  async function find(
    store: TidyStore,
    query: string,
    { pageSize = 50, principal = alice } = {},
  ): Promise<string[]> {
    await store.tidy();
    const ids: string[] = [];
    let pageToken = "";
    do {
      const page = await store.listSessions(principal, { pageSize, pageToken, query });
      assert.ok(page.items.length <= pageSize);
      ids.push(...page.items.map(({ sessionId }) => sessionId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return ids;
  }

  test("a session is found by its title, its questions and its replies", async (t) => {
    const store = await create(t);
    await tell(store, "s1", { title: "Apples", ask: "about pears", answer: "and cherries" });
    await tell(store, "s2", { title: "Apples", ask: "about plums", updatedAt: 2_000 });
    assert.deepEqual(await find(store, "apples"), ["s2", "s1"]);
    assert.deepEqual(await find(store, "pears"), ["s1"]);
    assert.deepEqual(await find(store, "cherries"), ["s1"]);
    assert.deepEqual(await find(store, "quinces"), []);
  });

  test("all words must be there, in one message or in several", async (t) => {
    const store = await create(t);
    await tell(store, "s1", { title: "Apples", ask: "pears", answer: "cherries" });
    await tell(store, "s2", { title: "Apples", ask: "plums" });
    assert.deepEqual(await find(store, "cherries apples pears"), ["s1"]);
    assert.deepEqual(await find(store, "apples quinces"), []);
  });

  test("the last word may be a beginning, the others may not", async (t) => {
    const store = await create(t);
    await tell(store, "s1", { ask: "internationalization matters" });
    for (const query of ["i", "in", "int", "inter", "internationalization", "matters inter"]) {
      assert.deepEqual(await find(store, query), ["s1"], query);
    }
    assert.deepEqual(await find(store, "inter matters"), []);
    assert.deepEqual(await find(store, "nternationalization"), []);
  });

  test("a beginning that many words have is found wherever one of them stands", async (t) => {
    const store = await create(t);
    const words = Array.from({ length: 3_000 }, (_item, index) => `begin${index}`);
    await tell(store, "s1", { ask: words.join(" ") });
    await tell(store, "s2", { ask: "begin2999" });
    await tell(store, "s3", { ask: "beginning", answer: "beginnt" });
    await tell(store, "s4", { ask: "begi begun" });
    await tell(store, "s5", { ask: "begin1", principal: bob });
    assert.deepEqual((await find(store, "begin")).toSorted(), ["s1", "s2", "s3"]);
    assert.deepEqual((await find(store, "begi")).toSorted(), ["s1", "s2", "s3", "s4"]);
    assert.deepEqual((await find(store, "begin2")).toSorted(), ["s1", "s2"]);
    assert.deepEqual(await find(store, "beginn"), ["s3"]);
    assert.deepEqual(await find(store, "begint"), []);
    assert.deepEqual(await find(store, "begin", { principal: bob }), ["s5"]);
  });

  test("case and accents make no difference, and every script is found", async (t) => {
    const store = await create(t);
    await tell(store, "s1", { ask: "Café ÄRGER", answer: "Приветствую naïve" });
    await tell(store, "s2", { ask: "我想学习中文", answer: "日本語です" });
    await tell(store, "s3", { ask: "नमस्ते दुनिया", answer: "สวัสดีชาวโลก" });
    assert.deepEqual(await find(store, "cafe arger"), ["s1"]);
    assert.deepEqual(await find(store, "CAFÉ"), ["s1"]);
    assert.deepEqual(await find(store, "приветст"), ["s1"]);
    assert.deepEqual(await find(store, "中文"), ["s2"]);
    assert.deepEqual(await find(store, "日本"), ["s2"]);
    assert.deepEqual(await find(store, "दुनिया"), ["s3"]);
    assert.deepEqual(await find(store, "ชาวโลก"), ["s3"]);
  });

  test("thoughts are not searched", async (t) => {
    const store = await create(t);
    await addTurn(store, sampleTurn("t1"), { session: sampleSession() });
    const parts = [
      { type: "thought", text: "secretly" },
      { type: "text", text: "openly" },
    ] as const;
    await run(store, "t1", { parts });
    assert.deepEqual(await find(store, "secretly"), []);
    assert.deepEqual(await find(store, "openly"), ["s1"]);
  });

  test("no query lists every session, and one without a word finds none", async (t) => {
    const store = await create(t);
    await tell(store, "s1", { ask: "pears?!" });
    assert.deepEqual(await find(store, ""), ["s1"]);
    for (const query of ["  ", "?!", "\u0301", "👍"]) {
      assert.deepEqual(await find(store, query), [], query);
    }
  });

  test("forms of a letter that differ in case alone are one, where they are two letters too", async (t) => {
    const store = await create(t);
    const forms = ["straße", "STRASSE", "Straẞe", "strasse"];
    for (const [index, form] of forms.entries()) await tell(store, `s${index}`, { ask: form });
    for (const query of [...forms, "STRASS", "straß"]) {
      assert.deepEqual((await find(store, query)).toSorted(), ["s0", "s1", "s2", "s3"], query);
    }
    await tell(store, "greek", { ask: "ΟΔΟΣ" });
    for (const query of ["οδος", "οδοσ", "ΟΔΟΣ"]) {
      assert.deepEqual(await find(store, query), ["greek"], query);
    }
  });

  test("another principal's sessions are not found", async (t) => {
    const store = await create(t);
    await tell(store, "s1", { ask: "pears" });
    await tell(store, "s2", { ask: "pears", principal: bob });
    assert.deepEqual(await find(store, "pears"), ["s1"]);
    assert.deepEqual(await find(store, "pears", { principal: bob }), ["s2"]);
    assert.deepEqual(await find(store, "pears", { principal: "carol" }), []);
  });

  test("a new title takes the place of the old one", async (t) => {
    const store = await create(t);
    await tell(store, "s1", { title: "Apples", ask: "x" });
    assert.deepEqual(await find(store, "apples"), ["s1"]);
    await store.updateSession(alice, "s1", { title: "Pears" }, "", 2_000);
    assert.deepEqual(await find(store, "apples"), []);
    assert.deepEqual(await find(store, "pears"), ["s1"]);
    await store.updateSession(alice, "s1", { title: "" }, "", 3_000);
    assert.deepEqual(await find(store, "pears"), []);
  });

  test("what was replaced, withdrawn or deleted is not found", async (t) => {
    const store = await create(t);
    await tell(store, "s1", { ask: "pears", answer: "cherries" });
    await addTurn(store, sampleTurn("quinces", { sessionId: "s1" }));
    await tell(store, "s2", { ask: "pears" });
    assert.deepEqual((await find(store, "pears")).toSorted(), ["s1", "s2"]);
    assert.deepEqual(await find(store, "quinces"), ["s1"]);
    await store.replaceMessages("s1", ["reply-s1-turn"], "t9");
    await store.withdrawTurn("s1", "quinces");
    await store.deleteSession(alice, "s2", 9_000);
    assert.deepEqual(await find(store, "cherries"), []);
    assert.deepEqual(await find(store, "quinces"), []);
    assert.deepEqual(await find(store, "pears"), ["s1"]);
  });

  test("what a reply gains by a continuation is found, and a fork's messages are", async (t) => {
    const store = await create(t);
    await tell(store, "s1", { ask: "pears", answer: "cher" });
    await store.tidy();
    const rest = { sessionId: "s1", replyMessageId: "reply-s1-turn" };
    const turn = sampleTurn("t2", { type: "continue", ...rest });
    const question = await store.getMessage(alice, "s1", "question-s1-turn");
    await addTurn(store, { ...turn, ...(question && { userMessage: question }) });
    await run(store, "t2", { sessionId: "s1", parts: [{ type: "text", text: "ries red" }] });
    assert.deepEqual(await find(store, "cherries red"), ["s1"]);
    let copies = 0;
    await store.forkSession({
      principal: alice,
      fromSessionId: "s1",
      upToMessageId: "",
      sessionId: "s2",
      title: "Quinces",
      createdAt: 8_000,
      newMessageId: () => `copy-${++copies}`,
    });
    assert.deepEqual(await find(store, "cherries pears"), ["s2", "s1"]);
    assert.deepEqual(await find(store, "quinces"), ["s2"]);
  });

  test("a long message is found by its first word, its last, and those between", async (t) => {
    const store = await create(t);
    const words = Array.from({ length: 5_000 }, (_item, index) => `word${index}`);
    await tell(store, "s1", { ask: `${words.join(" ")} ${"x".repeat(20_000)} last` });
    for (const query of ["word0 last", "word2500", "word4999", "xxxx", "word1234 word4321"]) {
      assert.deepEqual(await find(store, query), ["s1"], query);
    }
    await store.replaceMessages("s1", ["question-s1-turn"], "t9");
    for (const query of ["word0", "word2500", "last"]) {
      assert.deepEqual(await find(store, query), [], query);
    }
  });

  test("pages of what is found follow each other, also while sessions change", async (t) => {
    const store = await create(t);
    for (let index = 0; index < 9; index += 1) {
      const ask = index % 3 === 0 ? "plums" : "pears";
      await tell(store, `s${index}`, { ask, updatedAt: 1_000 + Math.floor(index / 2) });
    }
    const all = await find(store, "pears");
    assert.deepEqual(all.toSorted(), ["s1", "s2", "s4", "s5", "s7", "s8"]);
    for (const pageSize of [1, 2, 5, 6]) {
      assert.deepEqual(await find(store, "pears", { pageSize }), all);
    }
    const page = { pageSize: 2, query: "pears" };
    const first = await store.listSessions(alice, { ...page, pageToken: "" });
    await store.updateSession(alice, all[4] ?? "", { title: "x" }, "", 9_000);
    const pageToken = first.nextPageToken;
    const rest = await store.listSessions(alice, { ...page, pageSize: 50, pageToken });
    const expected = all.slice(2).filter((id) => id !== all[4]);
    assert.deepEqual(
      rest.items.map(({ sessionId }) => sessionId),
      expected,
    );
  });

  test("no query is anything but its words", async (t) => {
    const store = await create(t);
    await tell(store, "s1", { title: "NOT", ask: "pears AND plums", answer: 'say "near" OR not' });
    await tell(store, "s2", { ask: "words" });
    for (const query of ['"', "'", "*", "-", "(", "pears OR", "near(", "words:pears", "^pears"]) {
      await find(store, query);
    }
    assert.deepEqual(await find(store, "pears NOT plums"), ["s1"]);
    assert.deepEqual(await find(store, 'OR "near'), ["s1"]);
    assert.deepEqual(await find(store, "words:pears"), []);
    const anything = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({
        unit: fc.constantFrom(
          "pears",
          "*",
          '"',
          "'",
          "(",
          ")",
          "^",
          "-",
          ":",
          "\0",
          " ",
          "AND",
          "OR",
          "NOT",
        ),
      }),
    );
    const property = fc.asyncProperty(anything, async (query) => {
      const { items } = await store.listSessions(alice, { pageSize: 5, pageToken: "", query });
      assert.ok(items.length <= 2);
    });
    await store.tidy();
    await fc.assert(property, { numRuns: 100 });
  });
}
