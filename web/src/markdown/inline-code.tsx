import { type HTMLAttributes, useEffect } from "react";
import { useObservable } from "../app-context.ts";
import { loadMaths, mathsModule } from "./maths-module.ts";
import { mathsMarks } from "./maths-source.ts";

/** Inline code, or the maths that was marked as such. */
export function InlineCode({ children }: HTMLAttributes<HTMLElement>) {
  const text = typeof children === "string" ? children : "";
  const mark = text[0];
  const latex = text.slice(1).trim();
  if (mark === mathsMarks.incomplete) return <code className="maths-source">{latex}</code>;
  if (mark === mathsMarks.inline || mark === mathsMarks.display) {
    return <Formula latex={latex} isDisplay={mark === mathsMarks.display} />;
  }
  return <code>{children}</code>;
}

function Formula({ latex, isDisplay }: { latex: string; isDisplay: boolean }) {
  const Maths = useObservable(mathsModule);
  useEffect(loadMaths, []);
  if (typeof Maths === "string") return <code className="maths-source">{latex}</code>;
  return <Maths latex={latex} isDisplay={isDisplay} />;
}
