const schemes = new Set(["https:", "http:", "mailto:"]);

/**
 * The URL where it is absolute and of a scheme that may be followed (https, http, mailto); undefined for
 * everything else: script, data, relative paths into this page.
 */
export function safeUrl(href: string | undefined): URL | undefined {
  const url = href === undefined ? null : URL.parse(href);
  return url !== null && schemes.has(url.protocol) ? url : undefined;
}
