/**
 * Why `text` cannot name a principal or a key, in words that follow its field, or undefined. Control characters
 * could write what they like into logs; half of a surrogate pair would become U+FFFD in the database, and two
 * principals one.
 */
export function nameProblem(text: unknown, charactersMax: number): string | undefined {
  if (typeof text !== "string" || text === "") return "must be text, and not empty";
  if (text.length > charactersMax) return `has more than ${charactersMax} characters`;
  if (!text.isWellFormed() || /\p{Cc}/u.test(text)) return "has characters that no name may have";
  return undefined;
}
