import { textOf } from "../chat/message.ts";
import type { ModelRequest } from "../chat/model.ts";
import {
  keywords,
  memoryReplies,
  otherReplies,
  type Rule,
  reflections,
  silenceReplies,
} from "./eliza-script.ts";

/** What Eliza has of the session; made anew from the history on each call, as the port is stateless. */
type State = {
  name: string;
  /** What was said and not yet come back to, already seen from the other side. */
  memories: string[];
  /** All that was said, for when it is asked for. */
  statements: string[];
  /** How often each list of replies was used. */
  uses: Map<readonly string[], number>;
  lastReply: string;
};

/** Of a longer message the rest is not looked at; UTF-16 units. */
const messageUnitsMax = 2_000;
/** What is kept of one statement. */
const statementUnitsMax = 200;
const statementsMax = 100;

/**
 * The answer to the last message of the history. The same history gives the same answer: the messages are
 * gone through from the first, which leads to the state that the last one meets.
 */
export function answer(messages: ModelRequest["messages"]): string {
  const state: State = { name: "", memories: [], statements: [], uses: new Map(), lastReply: "" };
  let reply = "";
  for (const { role, parts } of messages) {
    const text = textOf(parts);
    if (role === "user") {
      reply = answerTo(text.slice(0, messageUnitsMax), state);
      state.lastReply = reply;
    } else if (text !== "") {
      state.lastReply = text;
    }
  }
  return reply === "" ? answerTo("", state) : reply;
}

function answerTo(text: string, state: State): string {
  const sentences = sentencesOf(text);
  state.name = sentences.map(nameIn).findLast((name) => name !== "") ?? state.name;
  const reply = compose(sentences, state);
  for (const sentence of sentences) remember(sentence, state);
  return reply;
}

function compose(sentences: readonly string[], state: State): string {
  if (sentences.length === 0) return choose(silenceReplies, state);
  const found = bestMatch(sentences, state);
  if (found) {
    const memory = found.rule.needs === "memory" ? recall(found.sentence, state) : "";
    return choose(found.rule.replies, state, found.groups, memory);
  }
  const memory = state.memories.shift();
  return memory === undefined
    ? choose(otherReplies, state)
    : choose(memoryReplies, state, [], memory);
}

type Found = { rule: Rule; sentence: string; groups: readonly string[] };

/** The first match of the highest rank. */
function bestMatch(sentences: readonly string[], state: State): Found | undefined {
  for (const { rules } of keywords) {
    for (const sentence of sentences) {
      for (const rule of rules) {
        if (rule.needs === "name" && state.name === "") continue;
        if (rule.needs === "memory" && state.statements.length === 0) continue;
        const match = rule.match.exec(sentence);
        if (match) return { rule, sentence, groups: match.slice(1) };
      }
    }
  }
  return undefined;
}

/** The next of the replies in turn, but never the one that was given last. */
function choose(
  replies: readonly string[],
  state: State,
  groups: readonly string[] = [],
  memory = "",
): string {
  const used = state.uses.get(replies) ?? 0;
  const [first = "", second = first] = [0, 1].map((ahead) => {
    const template = replies[(used + ahead) % replies.length] ?? "";
    return fill(template, state.name, groups, memory);
  });
  const repeats = first === state.lastReply;
  state.uses.set(replies, used + (repeats ? 2 : 1));
  return repeats ? second : first;
}

function fill(template: string, name: string, groups: readonly string[], memory: string): string {
  return template
    .replaceAll(/\$(\d)/g, (_, index) => reflect(groups[Number(index) - 1] ?? ""))
    .replaceAll("{name}", () => (name === "" ? "" : `, ${name}`))
    .replaceAll("{Name}", () => name)
    .replaceAll("{memory}", () => memory);
}

function sentencesOf(text: string): string[] {
  return text
    .split(/(?<=[.!?;])\s+|\n+/)
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== "");
}

function nameIn(sentence: string): string {
  const said = /\b(?:my name(?:'s|’s| is)|call me|i(?:'m|’m| am) called) (\p{L}[\p{L}\p{M}'’-]*)/iu;
  const alone =
    /^\W*(?:(?:hi|hello|hey|Hi|Hello|Hey)\W+)?(?:I'm|I’m|I am) (\p{Lu}[\p{L}\p{M}'’-]+)\W*$/u;
  const name = (said.exec(sentence) ?? alone.exec(sentence))?.[1] ?? "";
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Keeps statements about the speaker; questions, names and empty phrases are not worth coming back to. */
function remember(sentence: string, state: State): void {
  const statement = /(?:^|[\s,])((?:my|i|i['’](?:m|ve|d|ll)) \p{L}.*)$/isu.exec(sentence)?.[1];
  if (statement === undefined || statement.length > statementUnitsMax) return;
  if (/\?\W*$/.test(sentence) || nameIn(sentence) !== "") return;
  if (/^i (?:don['’]t know|guess|see|know|think so|suppose so|agree)\b/i.test(statement)) return;
  const seen = reflect(statement);
  if (state.statements.includes(seen) || state.statements.length >= statementsMax) return;
  state.statements.push(seen);
  state.memories.push(seen);
}

/** The statement that shares most words with the question, or else the first. */
function recall(question: string, { statements }: State): string {
  const asked = wordsOf(reflect(question));
  const shared = (statement: string) => wordsOf(statement).intersection(asked).size;
  return statements.reduce(
    (best, next) => (shared(next) > shared(best) ? next : best),
    statements[0] ?? "",
  );
}

function wordsOf(text: string): Set<string> {
  return new Set(text.toLowerCase().match(/\p{L}{4,}/gu) ?? []);
}

const reflected = new RegExp(
  `(?<![\\p{L}'])(?:${Object.keys(reflections)
    .toSorted((a, b) => b.length - a.length)
    .join("|")})(?![\\p{L}'])`,
  "giu",
);

/** What was said, as the other one says it: "my mother likes you" → "your mother likes me". */
function reflect(said: string): string {
  const plain = said.replaceAll("’", "'").replace(/[\s.,!?;:]+$/, "");
  return plain.replaceAll(reflected, (words, offset: number) => {
    const other = reflections[words.toLowerCase()] ?? words;
    return words.toLowerCase() === "you" && offset === 0 ? "I" : other;
  });
}
