const charactersMax = 60;

/** Markdown is looked for in this much of a message, UTF-16 units: a title never reaches further. */
const readMax = 2_000;

/** A title made of a message's first words: one line without Markdown's signs, cut between words where possible. */
export function titleFrom(text: string): string {
  const read = text.trimStart().slice(0, readMax);
  const bare = withoutSigns(read);
  // Of signs alone they are all that there is to read.
  const hasWords = /[^\s….]/u.test(bare);
  const line = (hasWords ? bare : read).replace(/\s+/g, " ").trim();
  const characters = Array.from(line);
  if (characters.length <= charactersMax) return line;
  const cut = characters.slice(0, charactersMax).join("");
  const space = cut.lastIndexOf(" ");
  return `${space > charactersMax / 2 ? cut.slice(0, space) : cut}…`;
}

const fence = /^\s*(?:(`{3,})[^`]*|(~{3,}).*)$/;
/** Headings, quotes and list items; the numbers of a list are read, and stay. */
const lineStart = /^\s*(?:(?:#{1,6}|>+|[-*+])\s+)+/;

/** Takes away what is Markdown, and nothing that only looks so: `snake_case`, `2 * 3`, `C#`, `x -> y`. */
function withoutSigns(text: string): string {
  let opened: string | undefined;
  const lines = text.split("\n").map((line) => {
    const [, ticks, tildes] = fence.exec(line) ?? [];
    const found = ticks ?? tildes;
    if (found !== undefined && (opened === undefined || found.startsWith(opened))) {
      opened = opened === undefined ? found : undefined;
      return "";
    }
    return opened === undefined ? withoutPairs(line.replace(lineStart, "")) : line;
  });
  return lines.join("\n");
}

/** Scripts that put no spaces between words, with their punctuation. */
const unspaced = String.raw`\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\u3000-\u303f\uff00-\uffef`;
const before = String.raw`(?<=^|[\s\p{Ps}\p{Pi}"'*_~\-${unspaced}])`;
const behind = String.raw`(?=$|[\s\p{Pe}\p{Pf}"'*_~.,;:!?…\-${unspaced}])`;
const code = "(?<!`)(?<ticks>`+)(?!`)(?<code>.+?)(?<!`)\\k<ticks>(?!`)";
/** Around words alone. `__` is left: it is rather a part of a name (`__init__`) than emphasis. */
const stars = String.raw`(?<!\*)(?<stars>\*{1,3})(?![\s*])(?<starred>.+?)(?<![\s*])\k<stars>(?!\*)`;
const other = String.raw`(?<![_~])(?<sign>_|~~)(?![\s_~])(?<words>.+?)(?<![\s_~])\k<sign>(?![_~])`;
const pairs = new RegExp(`${code}|${before}(?:${stars}|${other})${behind}`, "gu");

function withoutPairs(line: string): string {
  return line.replace(pairs, (...found) => {
    const groups: Partial<Record<string, string>> = found.at(-1);
    return groups.code ?? withoutPairs(groups.starred ?? groups.words ?? "");
  });
}
