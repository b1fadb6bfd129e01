import { blocksOf, type SourceBlock } from "./source-blocks.ts";

/**
 * Cuts Markdown where nothing before changes what comes behind: between paragraphs, whole lists, quotes and blocks
 * of code. Each part is laid out by itself, so that what is written changes the last part alone. Footnotes are
 * told from anywhere, and keep the text whole.
 */
export function topBlocksOf(source: string): string[] {
  if (/\[\^[^\]\s]{1,200}\]/.test(source)) return [source];
  const parts: string[] = [];
  let begin = 0;
  let before: SourceBlock | undefined;
  for (const block of blocksOf(source)) {
    if (before !== undefined && isApart(source, before, block)) {
      const start = source.lastIndexOf("\n", block.start - 1) + 1;
      parts.push(source.slice(begin, start));
      begin = start;
    }
    before = block;
  }
  if (begin < source.length) parts.push(source.slice(begin));
  return parts;
}

function isApart(source: string, before: SourceBlock, block: SourceBlock): boolean {
  if (before.depth > 0 && block.depth > 0) return false;
  if (before.depth !== block.depth) return true;
  // Blank lines within indented code are part of it.
  if (before.kind === "code" && block.kind === "code") return isFence(source, before);
  const isCode = before.kind === "code" || block.kind === "code";
  return isCode || /\n[ \t\r]*\n/.test(source.slice(before.end, block.start));
}

function isFence(source: string, { start }: SourceBlock): boolean {
  return /^(?:```|~~~)/.test(source.slice(start, start + 3));
}
