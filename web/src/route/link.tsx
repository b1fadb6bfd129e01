import type { AnchorHTMLAttributes, MouseEvent } from "react";
import { useApp } from "../app-context.ts";
import { pathOf, type Route } from "./route.ts";

/** A link within the page; with a modifier key it opens as the browser would. */
export function Link({
  to,
  onClick,
  ...rest
}: AnchorHTMLAttributes<HTMLAnchorElement> & { to: Route }) {
  const { location } = useApp();
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    const { button, metaKey, ctrlKey, shiftKey, altKey, defaultPrevented } = event;
    if (defaultPrevented || button !== 0 || metaKey || ctrlKey || shiftKey || altKey) return;
    event.preventDefault();
    location.go(to);
  };
  return <a {...rest} href={pathOf(to)} onClick={follow} />;
}
