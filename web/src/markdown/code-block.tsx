import { type HTMLAttributes, type ReactNode, useState } from "react";
import { useIsCodeFenceIncomplete } from "streamdown";
import { CopyButton } from "../ui/copy-button.tsx";
import { useHighlighted } from "./use-highlighted.ts";

/** A fenced block of code: its language, a button that copies it, colours once they are loaded. */
export function CodeBlock({ className, children }: HTMLAttributes<HTMLElement>) {
  const code = textOf(children).replace(/\n$/, "");
  const [, language = ""] = /language-([^\s]+)/.exec(className ?? "") ?? [];
  const isIncomplete = useIsCodeFenceIncomplete();
  const [wraps, setWraps] = useState(false);
  return (
    <figure className="code-block">
      <figcaption>
        <span className="code-language">{language || "text"}</span>
        <button
          type="button"
          className="quiet"
          aria-pressed={wraps}
          onClick={() => setWraps(!wraps)}
        >
          Wrap
        </button>
        <CopyButton text={code} label="Copy code" isDisabled={isIncomplete} />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <pre tabIndex={0} data-wraps={wraps || undefined}>
        <Code code={code} language={language} isIncomplete={isIncomplete} />
      </pre>
    </figure>
  );
}

/** What is coloured stays so while more is written: the rest comes plain behind it. */
function Code({
  code,
  language,
  isIncomplete,
}: {
  code: string;
  language: string;
  isIncomplete: boolean;
}) {
  const { tokens, length } = useHighlighted(code, language, isIncomplete);
  return (
    <code>
      {tokens.map(({ text, kind, offset }) =>
        kind === "" ? (
          text
        ) : (
          <span key={offset} className={`token-${kind}`}>
            {text}
          </span>
        ),
      )}
      {code.slice(length)}
    </code>
  );
}

function textOf(children: ReactNode): string {
  if (typeof children === "string") return children;
  return Array.isArray(children) ? children.map(textOf).join("") : "";
}
