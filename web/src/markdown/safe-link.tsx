import type { AnchorHTMLAttributes } from "react";
import { safeUrl } from "./safe-url.ts";

/** A link of a reply; text alone where it leads somewhere that it may not. */
export function SafeLink({ href, children }: AnchorHTMLAttributes<HTMLAnchorElement>) {
  const url = safeUrl(href);
  if (url === undefined) return <span className="dead-link">{children}</span>;
  return (
    <a
      href={url.href}
      target="_blank"
      rel="noopener noreferrer nofollow ugc"
      title={url.protocol === "mailto:" ? url.href : url.host}
    >
      {children}
    </a>
  );
}
