import { useEffect, useState } from "react";
import type { Token } from "./highlighter.ts";

/** The part of a code that has colours: its first `length` UTF-16 units. */
export type Highlighted = { readonly tokens: readonly Token[]; readonly length: number };

const nothing: Highlighted = { tokens: [], length: 0 };

/** Past this many UTF-16 units a code stays plain: colouring it would be felt. */
const unitsMax = 60_000;

/** Colours `code` soon. While it grows what was coloured before is kept, so that nothing flickers. */
export function useHighlighted(code: string, language: string, isIncomplete: boolean): Highlighted {
  // Whole lines alone while it is written: half a line is often another token.
  const target = isIncomplete ? code.slice(0, code.lastIndexOf("\n") + 1) : code;
  const [done, setDone] = useState({ code: "", language: "", highlighted: nothing });
  useEffect(() => {
    if (language === "" || target === "" || target.length > unitsMax) return;
    let isLeft = false;
    void import("./highlighter.ts")
      .then(({ highlight }) => highlight(target, language))
      .then((tokens) => {
        if (isLeft || tokens === undefined) return;
        setDone({ code: target, language, highlighted: { tokens, length: target.length } });
      });
    return () => {
      isLeft = true;
    };
  }, [target, language]);
  return done.language === language && code.startsWith(done.code) ? done.highlighted : nothing;
}
