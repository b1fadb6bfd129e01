import { detectTextDirection } from "streamdown";

/** A node of HTML's tree, as far as it is looked at here. */
type Node = {
  type: string;
  tagName?: string;
  value?: string;
  properties?: Record<string, unknown>;
  children?: Node[];
};

/** What is laid out by the direction of its own words. */
const directed = /^(?:p|h[1-6]|li|blockquote|th|td|div)$/;

/** What tells nothing of the direction of the words around it. */
const apart = /^(?:code|pre)$/;
/** In an item the items below it neither: each goes by its own words. */
const apartInItem = /^(?:code|pre|ul|ol)$/;

/**
 * A rehype plugin that gives each paragraph, item, cell and heading the direction of its own words, also where
 * several of them are laid out as one block. What has no words goes as what is around it.
 */
export function textDirections(): (tree: Node) => void {
  return (tree) => direct(tree);
}

function direct(node: Node): void {
  for (const child of node.children ?? []) direct(child);
  const { tagName = "" } = node;
  if (!directed.test(tagName)) return;
  const text = wordsOf(node, tagName === "li" ? apartInItem : apart);
  if (/\p{L}/u.test(text)) node.properties = { ...node.properties, dir: detectTextDirection(text) };
}

function wordsOf({ value = "", children = [] }: Node, left: RegExp): string {
  const counted = children.filter(({ tagName = "" }) => !left.test(tagName));
  return value + counted.map((child) => wordsOf(child, left)).join("");
}
