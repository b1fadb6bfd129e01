import type { ImgHTMLAttributes } from "react";
import { Icon } from "../ui/icon.tsx";
import { safeUrl } from "./safe-url.ts";

/**
 * An image of a reply, which is never fetched by itself: its address alone would tell its server who reads
 * what. It is a link that names the server, and following it is the reader's consent.
 */
export function SafeImage({ src, alt }: ImgHTMLAttributes<HTMLImageElement>) {
  const url = typeof src === "string" ? safeUrl(src) : undefined;
  const name = alt?.trim() || "Image";
  if (url === undefined || url.protocol === "mailto:") {
    return <span className="dead-link">{name}</span>;
  }
  return (
    <a
      className="image-link"
      href={url.href}
      target="_blank"
      rel="noopener noreferrer nofollow ugc"
    >
      <Icon name="image" />
      {name} <span className="image-host">open from {url.host}</span>
    </a>
  );
}
