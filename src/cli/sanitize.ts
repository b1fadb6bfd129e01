/**
 * Text from elsewhere without what a terminal would obey: C0 and C1 control characters and DEL, newline and
 * tab excepted (ECMA-48 section 5). A model's reply could otherwise move the cursor, change the window's
 * title or write to the clipboard. What is left of an escape sequence shows as plain text.
 */
export function withoutControls(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, "");
}

/** The same on one line, for lists and messages. */
export function oneLine(text: string): string {
  return withoutControls(text.replace(/\s+/g, " ")).trim();
}
