import { type Part, textOf } from "../chat/message.ts";

/** What a list shows of a message, Unicode code points. */
const previewCharactersMax = 120;

/** The message's first words on one line; thoughts are left out. */
export function previewOf(parts: readonly Part[]): string {
  // Twice the length in UTF-16 units holds the code points, twice more the spaces between words.
  const start = textOf(parts)
    .trimStart()
    .slice(0, previewCharactersMax * 4);
  const words = Array.from(start.replace(/\s+/gu, " ").trimEnd());
  if (words.length <= previewCharactersMax) return words.join("");
  return `${words
    .slice(0, previewCharactersMax - 1)
    .join("")
    .trimEnd()}…`;
}
