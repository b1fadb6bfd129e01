import { textOf } from "../chat/message.ts";
import { type MemorySession, visibleMessages } from "./memory-session.ts";
import { type QueryWord, wordsOf } from "./search-words.ts";

/** Whether the session's title and messages have all the words; without a word there is nothing to have. */
export function hasWords(stored: MemorySession, query: readonly QueryWord[]): boolean {
  if (query.length === 0) return false;
  const texts = visibleMessages(stored).map(({ message }) => textOf(message.parts));
  const words = new Set([stored.session.title, ...texts].flatMap(wordsOf));
  return query.every(({ word, isPrefix }) => {
    if (!isPrefix) return words.has(word);
    for (const one of words) if (one.startsWith(word)) return true;
    return false;
  });
}
