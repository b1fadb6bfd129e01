/**
 * In the place of rehype-raw, which parses the HTML in Markdown into elements. A reply's HTML stays text: here
 * it is not even possible to have it otherwise.
 */
// biome-ignore lint/style/noDefaultExport: rehype-raw has one.
export default function rehypeRaw(): void {
  // A plugin that changes nothing.
}
