/** The most that any server takes of one message, bytes of UTF-8 (src/chat/limits.ts); one may take less. */
export const messageBytesMax = 1_048_576;

const kilobytes = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Why this text is too long for one message; undefined where it is not. */
export function tooLongWords(text: string): string | undefined {
  // A UTF-16 unit is at most three bytes, so most texts need not be measured.
  if (text.length * 3 <= messageBytesMax) return undefined;
  const over = new TextEncoder().encode(text).length - messageBytesMax;
  if (over <= 0) return undefined;
  const most = kilobytes.format(messageBytesMax / 1_024);
  const excess = kilobytes.format(Math.ceil(over / 1_024));
  return `This message is too long: ${most} kB at most, and it has ${excess} kB more.`;
}
