import { useEffect, useState } from "react";
import type { Token } from "./highlighter.ts";

/** The part of a code that has colours: its first `length` UTF-16 units. */
export type Highlighted = { readonly tokens: readonly Token[]; readonly length: number };

const nothing: Highlighted = { tokens: [], length: 0 };

/** Past this many UTF-16 units or lines a code stays plain: so many coloured pieces would be felt. */
const bounds = { unitsMax: 60_000, linesMax: 1_000 } as const;
/** Past this many UTF-16 units what is still being written waits for its end: each line colours all of it. */
const writtenMax = 4_000;

/** Colours `code` soon. While it grows what was coloured before is kept, so that nothing flickers. */
export function useHighlighted(code: string, language: string, isIncomplete: boolean): Highlighted {
  // Whole lines alone while it is written: half a line is often another token.
  const target = isIncomplete ? code.slice(0, code.lastIndexOf("\n") + 1) : code;
  const [done, setDone] = useState({ code: "", language: "", highlighted: nothing });
  useEffect(() => {
    if (language === "" || target === "" || isTooLong(target)) return;
    if (isIncomplete && target.length > writtenMax) return;
    const left = new AbortController();
    import("./highlighter.ts")
      .then(({ highlight }) => highlight(target, language, left.signal))
      .then(
        (tokens) => {
          if (left.signal.aborted || tokens === undefined) return;
          setDone({ code: target, language, highlighted: { tokens, length: target.length } });
        },
        () => {
          // It could not be loaded, and the code stays plain.
        },
      );
    return () => left.abort();
  }, [target, language, isIncomplete]);
  return done.language === language && code.startsWith(done.code) ? done.highlighted : nothing;
}

function isTooLong(code: string): boolean {
  return code.length > bounds.unitsMax || code.split("\n").length > bounds.linesMax;
}
