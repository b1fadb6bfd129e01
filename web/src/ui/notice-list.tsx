import { useEffect, useRef } from "react";
import { useApp, useObservable } from "../app-context.ts";
import { focusIfLost } from "./focus-if-lost.ts";
import { IconButton } from "./icon-button.tsx";

/** The page's notices, read out as they come. */
export function NoticeList() {
  const { notices } = useApp();
  const list = useObservable(notices.list);
  const count = useRef(0);
  // One that goes by itself may take the focus with it.
  useEffect(() => {
    if (list.length < count.current) focusIfLost(document.getElementById("main"));
    count.current = list.length;
  }, [list.length]);
  return (
    <div className="notices" role="status" aria-live="polite">
      {list.map(({ id, title, text, tone, action }) => (
        <div key={id} className="notice" data-tone={tone}>
          <span>
            {title !== undefined && (
              <>
                “<bdi>{title}</bdi>”{" "}
              </>
            )}
            {text}
          </span>
          {action && (
            <button
              type="button"
              ref={focusIfLost}
              className="notice-action"
              onClick={() => {
                action.run();
                notices.dismiss(id);
              }}
            >
              {action.label}
            </button>
          )}
          <IconButton icon="close" label="Dismiss" onClick={() => notices.dismiss(id)} />
        </div>
      ))}
    </div>
  );
}
