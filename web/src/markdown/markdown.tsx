import { memo, useMemo } from "react";
import { type Components, defaultRehypePlugins, Streamdown } from "streamdown";
import { CodeBlock } from "./code-block.tsx";
import { InlineCode } from "./inline-code.tsx";
import { mathsToCode } from "./maths-source.ts";
import { SafeImage } from "./safe-image.tsx";
import { SafeLink } from "./safe-link.tsx";
import { Table } from "./table.tsx";
import { TaskBox } from "./task-box.tsx";

/**
 * A reply's Markdown, whole or still being written. The text is hostile: HTML in it stays text, links go by a
 * list of schemes, and an image is a link until somebody follows it.
 */
export const Markdown = memo(function Markdown({
  text,
  isStreaming,
}: {
  text: string;
  isStreaming: boolean;
}) {
  const source = useMemo(() => mathsToCode(text), [text]);
  return (
    <Streamdown
      className="markdown"
      components={components}
      rehypePlugins={rehypePlugins}
      parseIncompleteMarkdown={isStreaming}
      isAnimating={isStreaming}
      data-streaming={isStreaming || undefined}
    >
      {source}
    </Streamdown>
  );
});

const [harden] = defaultRehypePlugins.harden as [never];

/** Without rehype-raw: HTML never becomes elements. */
const rehypePlugins = [
  defaultRehypePlugins.sanitize as never,
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
