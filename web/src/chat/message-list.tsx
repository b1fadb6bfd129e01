import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { IconButton } from "../ui/icon-button.tsx";
import { RowView } from "./row-view.tsx";
import { type Row, rowsOf } from "./rows.ts";
import type { Chat } from "./use-chat.ts";
import { useEdit } from "./use-edit.ts";

/** How near the end counts as being there, pixels. */
const nearEnd = 60;

/**
 * The conversation, of which only what can be seen is in the page. It stays at its end while a reply is
 * written, and where it is while somebody reads further up.
 */
export function MessageList({ chat }: { chat: Chat }) {
  const { view } = chat.state;
  const rows = useMemo(() => rowsOf(view, chat.entries), [view, chat.entries]);
  const scroller = useRef<HTMLDivElement>(null);
  const edits = useEdit(chat);
  const getItemKey = useCallback((index: number) => rows[index]?.key ?? index, [rows]);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => estimateOf(rows[index]),
    getItemKey,
    overscan: 4,
    anchorTo: "end",
    followOnAppend: true,
    scrollEndThreshold: nearEnd,
    paddingStart: 24,
    paddingEnd: 24,
  });
  const isAtEnd = virtualizer.isAtEnd(nearEnd);
  const items = virtualizer.getVirtualItems();
  const first = items[0];

  useLayoutEffect(() => virtualizer.scrollToEnd(), [virtualizer]);
  const isPlaced = useIsPlaced();
  const isAtTop = isPlaced && rows[0]?.kind === "older" && first?.index === 0 && rows.length > 1;
  // Who sends something wants to see it, wherever they were.
  const sentId = chat.entries.at(-1)?.requestId;
  useLayoutEffect(() => {
    if (sentId !== undefined) virtualizer.scrollToEnd();
  }, [virtualizer, sentId]);
  const { loadOlder } = chat;
  // Each page that comes may leave us at the top.
  useEffect(() => {
    if (isAtTop && virtualizer.scrollElement !== null) loadOlder();
  }, [isAtTop, rows.length]);

  return (
    <div className="conversation-frame">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <section className="conversation" ref={scroller} tabIndex={0} aria-label="Conversation">
        <div className="rows" style={{ height: virtualizer.getTotalSize() }}>
          {items.map(({ key, index, start }) => {
            const row = rows[index];
            return (
              row && (
                <div
                  key={key}
                  className="row"
                  data-index={index}
                  ref={virtualizer.measureElement}
                  style={{ transform: `translateY(${start}px)` }}
                >
                  <RowView row={row} chat={chat} isLast={index === rows.length - 1} edits={edits} />
                </div>
              )
            );
          })}
        </div>
      </section>
      {!isAtEnd && rows.length > 0 && (
        <IconButton
          className="jump"
          icon="down"
          label="Jump to the latest message"
          onClick={() => virtualizer.scrollToEnd({ behavior: "auto" })}
        />
      )}
    </div>
  );
}

/** Whether the list is where it begins, at its end; before that its top is in sight for a moment. */
function useIsPlaced(): boolean {
  const [isPlaced, setPlaced] = useState(false);
  useEffect(() => {
    const frame = requestAnimationFrame(() => setPlaced(true));
    return () => cancelAnimationFrame(frame);
  }, []);
  return isPlaced;
}

/** About how high a row is before it is measured, pixels. */
function estimateOf(row: Row | undefined): number {
  if (row?.kind !== "message") return 72;
  const { role, text } = row.message;
  const lines = Math.ceil(text.length / 80) + text.split("\n").length;
  return (role === "user" ? 64 : 88) + Math.min(lines, 60) * 22;
}
