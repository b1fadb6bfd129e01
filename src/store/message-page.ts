import { limits } from "../chat/limits.ts";
import type { Message } from "../chat/message.ts";

/** Some of a list's items, and whether more come behind them. */
export type ItemSlice<Item> = { items: Item[]; hasMore: boolean };

/**
 * The first `count` of the rows, and fewer where they are large: the last is the one with which their texts
 * come to pageBytesMax. Of the rest no more than one row is looked for.
 */
export function takePage<Row, Item extends { message: Message }>(
  rows: Iterable<Row>,
  count: number,
  read: (row: Row) => Item,
): ItemSlice<Item> {
  const items: Item[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (items.length >= count || bytes >= limits.pageBytesMax) return { items, hasMore: true };
    const item = read(row);
    items.push(item);
    bytes += bytesOf(item.message);
  }
  return { items, hasMore: false };
}

function bytesOf({ parts }: Message): number {
  return parts.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
}
