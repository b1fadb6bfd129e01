import katex from "katex";
import { createElement, memo, type ReactNode } from "react";

/** What is used of KaTeX's tree: elements with attributes, and texts. */
type MathsNode = {
  readonly type?: string;
  readonly text?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly children?: readonly MathsNode[];
};

/** Attributes of MathML that React gets; `style` and `href` are not among them. */
const attributes = new Set([
  "accent",
  "accentunder",
  "columnalign",
  "columnlines",
  "columnspacing",
  "display",
  "displaystyle",
  "fence",
  "height",
  "linethickness",
  "lspace",
  "mathcolor",
  "mathbackground",
  "mathvariant",
  "maxsize",
  "minsize",
  "movablelimits",
  "notation",
  "rowlines",
  "rowspacing",
  "rspace",
  "scriptlevel",
  "separator",
  "stretchy",
  "symmetric",
  "voffset",
  "width",
]);

/** Maths as MathML, which browsers lay out by themselves; the source where KaTeX does not understand it. */
export const Maths = memo(function Maths({
  latex,
  isDisplay,
}: {
  latex: string;
  isDisplay: boolean;
}) {
  const tree = parse(latex, isDisplay);
  if (tree === undefined) return <code className="maths-source">{latex}</code>;
  const maths = toElement(tree, 0);
  return <span className={isDisplay ? "maths maths-display" : "maths"}>{maths}</span>;
});

/** Longer or deeper maths, or maths of more parts, is not laid out. */
const bounds = { unitsMax: 8_000, nodesMax: 10_000, depthMax: 100 } as const;

function parse(latex: string, displayMode: boolean): MathsNode | undefined {
  if (latex.length > bounds.unitsMax) return undefined;
  const options = {
    output: "mathml",
    displayMode,
    throwOnError: true,
    strict: "ignore",
    trust: false,
    maxExpand: 200,
    maxSize: 20,
  } as const;
  try {
    const tree = (katex as unknown as KatexTree).__renderToDomTree(latex, options);
    return isWithinBounds(tree) ? tree : undefined;
  } catch {
    // It is not LaTeX, or so deep that the stack was full.
    return undefined;
  }
}

/** Goes level by level, as a tree that is too deep would fill the stack here as well. */
function isWithinBounds(tree: MathsNode): boolean {
  let level: readonly MathsNode[] = [tree];
  let nodes = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    nodes += level.length;
    if (depth > bounds.depthMax || nodes > bounds.nodesMax) return false;
    level = level.flatMap(({ children }) => children ?? []);
  }
  return true;
}

/** KaTeX's tree before it becomes HTML text, which would have to be parsed again. */
type KatexTree = { __renderToDomTree(latex: string, options: object): MathsNode };

function toElement(node: MathsNode, key: number): ReactNode {
  if (node.text !== undefined) return node.text;
  const children = node.children?.map(toElement);
  // The source as an annotation would be read out a second time.
  if (node.type === "annotation") return null;
  if (node.type === undefined) return children;
  const entries = Object.entries(node.attributes ?? {}).filter(([name]) => attributes.has(name));
  return createElement(node.type, { key, ...Object.fromEntries(entries) }, children);
}
