import { memo, useEffect, useMemo } from "react";
import {
  type Components,
  defaultRehypePlugins,
  defaultRemarkPlugins,
  Streamdown,
} from "streamdown";
import { useObservable } from "../app-context.ts";
import { CodeBlock } from "./code-block.tsx";
import { htmlAsText, htmlClass } from "./html-as-text.ts";
import { InlineCode } from "./inline-code.tsx";
import { isTooNested } from "./is-too-nested.ts";
import { loadMaths, mathsModule } from "./maths-module.ts";
import { beforeMaths, mathsToCode } from "./maths-source.ts";
import { SafeImage } from "./safe-image.tsx";
import { SafeLink } from "./safe-link.tsx";
import { Table } from "./table.tsx";
import { TaskBox } from "./task-box.tsx";
import { textDirections } from "./text-directions.ts";
import { topBlocksOf } from "./top-blocks.ts";

/**
 * A reply's Markdown, whole or still being written. The text is hostile: HTML in it stays text, links go by a
 * list of schemes, and an image is a link until somebody follows it. What is nested too deeply to be laid out is
 * shown as it was written.
 */
export const Markdown = memo(function Markdown({
  text,
  isStreaming,
}: {
  text: string;
  isStreaming: boolean;
}) {
  const isPlain = useMemo(() => isTooNested(text), [text]);
  const source = useMemo(
    () => (isPlain ? text : mathsToCode(text, isStreaming)),
    [text, isPlain, isStreaming],
  );
  const shown = useSteady(source, isStreaming && !isPlain);
  if (isPlain) {
    return (
      <p className="markdown plain" dir="auto">
        {text}
      </p>
    );
  }
  return (
    <Streamdown
      className="markdown"
      components={components}
      remarkPlugins={remarkPlugins}
      rehypePlugins={rehypePlugins}
      dir="auto"
      parseMarkdownIntoBlocksFn={topBlocksOf}
      parseIncompleteMarkdown={isStreaming}
      remend={remend}
      isAnimating={isStreaming}
      data-streaming={isStreaming || undefined}
    >
      {shown}
    </Streamdown>
  );
});

/** While a reply is written, what follows the first formula waits for what lays it out: it would be moved. */
function useSteady(source: string, isStreaming: boolean): string {
  const isAwaited = useObservable(mathsModule) === "unloaded" && isStreaming;
  const steady = isAwaited ? beforeMaths(source) : source;
  const waits = steady.length < source.length;
  useEffect(() => {
    if (waits) loadMaths();
  }, [waits]);
  return steady;
}

/** Maths is code by now: a dollar that is left is a dollar. */
const remend = { katex: false };

const remarkPlugins = [...Object.values(defaultRemarkPlugins), htmlAsText as never];

const [sanitize, schema] = defaultRehypePlugins.sanitize as [never, { attributes: object }];
const [harden] = defaultRehypePlugins.harden as [never];

/** Without rehype-raw: HTML never becomes elements. */
const rehypePlugins = [
  [
    sanitize,
    { ...schema, attributes: { ...schema.attributes, div: [["className", htmlClass]] } },
  ] as never,
  [
    harden,
    {
      defaultOrigin: "https://relative.invalid",
      allowedLinkPrefixes: ["*"],
      allowedImagePrefixes: ["*"],
      // What Streamdown puts in the place of a link that is not whole yet.
      allowedProtocols: ["streamdown:"],
      allowDataImages: false,
      linkBlockPolicy: "text-only",
      imageBlockPolicy: "text-only",
    },
  ] as never,
  textDirections as never,
];

/** Plain elements, which the style sheet knows, in the place of Streamdown's own. */
const components = {
  h1: "h1",
  h2: "h2",
  h3: "h3",
  h4: "h4",
  h5: "h5",
  h6: "h6",
  p: "p",
  ul: "ul",
  ol: "ol",
  li: "li",
  hr: "hr",
  strong: "strong",
  blockquote: "blockquote",
  thead: "thead",
  tbody: "tbody",
  tr: "tr",
  td: "td",
  th: "th",
  sub: "sub",
  sup: "sup",
  section: "section",
  table: Table,
  input: TaskBox,
  a: SafeLink,
  img: SafeImage,
  code: CodeBlock,
  inlineCode: InlineCode,
} as Components;
