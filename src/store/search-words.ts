/** Letters of a longer word that count; what comes after them is not looked at. */
const wordLettersMax = 64;
/** Words of a query that count. */
const queryWordsMax = 16;

/**
 * A word is a run of letters, digits and marks; in scripts that do not part their words each letter is
 * one, so that a query finds what stands in a longer run.
 */
const pattern =
  /[[\p{L}\p{N}\p{M}]&&[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]]|[[\p{L}\p{N}\p{M}]--[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]]+/gv;

/**
 * The words of a text in their order, without case and accents. Case is folded by letters that are two in capitals
 * too: ß, ẞ and SS are one, and so are the forms of the Greek sigma.
 */
export function wordsOf(text: string): string[] {
  const plain = text
    .normalize("NFKD")
    .replaceAll(/[\u0300-\u036f]/g, "")
    .normalize("NFC");
  const folded = plain.toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ");
  const words = folded.match(pattern) ?? [];
  return words.map(cut);
}

/** A word that is looked for, or the beginning of one. */
export type QueryWord = { word: string; isPrefix: boolean };

/**
 * What a query looks for: all its words, the last of which may be the beginning of one. Nothing in it has
 * another meaning than its words.
 */
export function parseQuery(query: string): QueryWord[] {
  const words = wordsOf(query);
  const last = words.pop();
  const whole = new Set(words.slice(0, queryWordsMax - 1));
  const found = Array.from(whole, (word) => ({ word, isPrefix: false }));
  return last === undefined ? found : [...found, { word: last, isPrefix: true }];
}

function cut(word: string): string {
  return word.length <= wordLettersMax ? word : Array.from(word).slice(0, wordLettersMax).join("");
}
