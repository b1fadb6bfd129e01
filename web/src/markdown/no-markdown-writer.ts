/**
 * In the place of mdast-util-to-markdown, which writes Markdown. The page only reads it, and the extensions for
 * GitHub's Markdown bring the writer along.
 */
export const defaultHandlers = {};
