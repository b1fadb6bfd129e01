import { createHash } from "node:crypto";
import { invalidArgument } from "../chat/errors.ts";
import type { Page } from "../chat/store.ts";
import type { ItemSlice } from "./message-page.ts";

/**
 * Where a page ended: a sort key and the item's id. Keys, not counts, so that a page begins where the last
 * one ended however much the list has changed in between.
 */
export type PageKey = { order: number; id: string };

/** Rises when what a token holds changes; tokens of another version are refused. */
const tokenVersion = 1;

/** Names one list; a token of another is refused. */
export type ListName = readonly string[];

/** The token of the page that follows `key`. */
export function createPageToken(list: ListName, { order, id }: PageKey): string {
  const json = JSON.stringify([tokenVersion, hashOf(list), order, id]);
  return Buffer.from(json).toString("base64url");
}

/**
 * Where the page of this token begins; undefined for the first page, whose token is empty. Throws
 * `invalid_argument` on page_token for one that was not made here, or for another list.
 */
export function parsePageToken(list: ListName, pageToken: string): PageKey | undefined {
  if (pageToken === "") return undefined;
  const [, , order, id] = parseJson(Buffer.from(pageToken, "base64url").toString());
  if (typeof order === "number" && Number.isSafeInteger(order) && typeof id === "string") {
    // Only our own spelling of it: base64 decoders skip what they do not know.
    if (createPageToken(list, { order, id }) === pageToken) return { order, id };
  }
  throw invalidArgument([
    { field: "page_token", description: "is not the next_page_token of a page of this list" },
  ]);
}

/** A page out of the rows found, of which one more than `pageSize` was asked for. */
export function createPage<Item>(
  list: ListName,
  items: Item[],
  pageSize: number,
  keyOf: (item: Item) => PageKey,
): Page<Item> {
  const hasMore = items.length > pageSize;
  return createPageOf(list, { items: items.slice(0, pageSize), hasMore }, keyOf);
}

/** A page of these items. */
export function createPageOf<Item>(
  list: ListName,
  { items, hasMore }: ItemSlice<Item>,
  keyOf: (item: Item) => PageKey,
): Page<Item> {
  const last = items.at(-1);
  const isLastPage = !hasMore || last === undefined;
  return { items, nextPageToken: isLastPage ? "" : createPageToken(list, keyOf(last)) };
}

function hashOf(list: ListName): string {
  return createHash("sha256").update(JSON.stringify(list)).digest("base64url").slice(0, 12);
}

function parseJson(json: string): unknown[] {
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
