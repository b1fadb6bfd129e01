/** The most of a text that is told, UTF-16 units. */
export const excerptLengthMax = 2_000;

/** The beginning of a text that users or models have written. */
export function excerpt(text: string): string {
  if (text.length <= excerptLengthMax) return text;
  return `${text.slice(0, excerptLengthMax).toWellFormed()}… (${text.length} in all)`;
}
