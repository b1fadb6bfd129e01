import { type HTMLAttributes, Suspense } from "react";
import { lazyComponent } from "../ui/lazy-component.ts";
import { mathsMarks } from "./maths-source.ts";

const Maths = lazyComponent(() => import("./maths.tsx"), "Maths");

/** Inline code, or the maths that was marked as such. */
export function InlineCode({ children }: HTMLAttributes<HTMLElement>) {
  const text = typeof children === "string" ? children : "";
  const mark = text[0];
  const latex = text.slice(1).trim();
  if (mark === mathsMarks.incomplete) return <code className="maths-source">{latex}</code>;
  if (mark === mathsMarks.inline || mark === mathsMarks.display) {
    return (
      <Suspense fallback={<code className="maths-source">{latex}</code>}>
        <Maths latex={latex} isDisplay={mark === mathsMarks.display} />
      </Suspense>
    );
  }
  return <code>{children}</code>;
}
