/** A node of Markdown's tree, as far as it is looked at here. */
type Node = { type: string; value?: string; children?: Node[]; data?: object };

/** The class of the elements that `htmlAsText` makes. */
export const htmlClass = "raw-html";

/** What holds blocks; HTML in anything else is within a line of text. */
const holdsBlocks = new Set(["root", "blockquote", "listItem", "footnoteDefinition"]);

/**
 * A remark plugin that makes each block of HTML a paragraph that shows it as it was written, line breaks and
 * indents included. Without it the text would stand between the paragraphs, glued to the HTML before it.
 */
export function htmlAsText(): (tree: Node) => void {
  return (tree) => toText(tree);
}

function toText(node: Node): void {
  if (node.children === undefined) return;
  if (!holdsBlocks.has(node.type) && node.type !== "list") return;
  node.children = node.children.map((child) => {
    if (child.type !== "html") {
      toText(child);
      return child;
    }
    return {
      type: "paragraph",
      children: [],
      data: {
        // A paragraph would be taken away where its list has no blank lines.
        hName: "div",
        hProperties: { className: [htmlClass] },
        hChildren: [{ type: "text", value: child.value ?? "" }],
      },
    };
  });
}
