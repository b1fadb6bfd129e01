const charactersMax = 60;

/** A title made of a message's first words: one line, cut between words where that is possible. */
export function titleFrom(text: string): string {
  const bare = text.replace(/[#>*`_~]+/g, "");
  // Of signs alone they are all that there is to read.
  const hasWords = /[^\s….]/u.test(bare);
  const line = (hasWords ? bare : text).replace(/\s+/g, " ").trim();
  const characters = Array.from(line);
  if (characters.length <= charactersMax) return line;
  const cut = characters.slice(0, charactersMax).join("");
  const space = cut.lastIndexOf(" ");
  return `${space > charactersMax / 2 ? cut.slice(0, space) : cut}…`;
}
