import { blocksOf, depthMax } from "./source-blocks.ts";

/** More blocks than this are not laid out, nor more marks or lines in one of them: it would be felt. */
const blocksMax = 5_000;
const marksMax = 2_000;
/** How deep brackets, or emphasis, may be within each other. */
const nestingMax = 100;

/**
 * Whether Markdown is nested deeper, or has more parts, than what people and models write for readers. What lays
 * it out is recursive, and ends in a full stack at some thousand levels.
 */
export function isTooNested(markdown: string): boolean {
  let blocks = 0;
  for (const { kind, start, end, depth } of blocksOf(markdown)) {
    blocks += 1;
    if (depth >= depthMax || blocks > blocksMax) return true;
    if (kind === "text" && isTextTooNested(markdown.slice(start, end))) return true;
  }
  return false;
}

const marks = /\\[^\n]|[[\]|<&!\n]|[*_~]+|`+/g;

function isTextTooNested(text: string): boolean {
  if (text.length < nestingMax) return false;
  let count = 0;
  let brackets = 0;
  let emphasis = 0;
  for (const { 0: mark, index } of text.matchAll(marks)) {
    count += 1;
    if (mark === "[") brackets += 1;
    else if (mark === "]") brackets = Math.max(0, brackets - 1);
    else if (/^[*_~]/.test(mark)) {
      const isBefore = /\S/.test(text[index + mark.length] ?? " ");
      const isBehind = /\S/.test(text[index - 1] ?? " ");
      if (isBehind && emphasis > 0) emphasis = Math.max(0, emphasis - mark.length);
      else if (isBefore) emphasis += mark.length;
    }
    if (count > marksMax || brackets > nestingMax || emphasis > nestingMax) return true;
  }
  return false;
}
