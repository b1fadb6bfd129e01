import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** A file of the built page. */
type PageFile = {
  readonly path: string;
  readonly type: string;
  /** Of its content, quoted, as ETag has it. */
  readonly etag: string;
  /** The compressed copies beside it, the smallest first. */
  readonly encodings: readonly Encoding[];
};

type Encoding = "br" | "gzip";

/** The browser client as it was built: its files by their URL paths. */
export type StaticPages = ReadonlyMap<string, PageFile>;

/** Where `npm ci` builds the page, beside the sources as beside the compiled package. */
export const builtPages = fileURLToPath(new URL("../../web/dist/", import.meta.url));

/** The paths that are the page's own, which reads the address itself. */
const pagePaths = ["/s/:sessionId", "/status", "/status/"];

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

const extensions: readonly (readonly [Encoding, string])[] = [
  ["br", ".br"],
  ["gzip", ".gz"],
];

/**
 * Lists what was built into a folder, once: what is not in the list is never read, so no path leads out of
 * it. Undefined where there is no page.
 */
export function findStaticPages(folder: string): StaticPages | undefined {
  const names = listFiles(folder);
  if (!names.has("index.html")) return undefined;
  const pages = new Map<string, PageFile>();
  for (const name of names) {
    const type = types[extname(name)];
    const isHidden = name.startsWith(".");
    if (type === undefined || isHidden) continue;
    const path = join(folder, name);
    const encodings = extensions.filter(([, extension]) => names.has(name + extension));
    pages.set(`/${name}`, {
      path,
      type,
      etag: `"${name.startsWith("assets/") ? name : digestOf(path)}"`,
      encodings: encodings.map(([encoding]) => encoding),
    });
  }
  return pages;
}

/** Of a file whose name does not change with its content, as it does under assets/. */
function digestOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("base64url").slice(0, 22);
}

function listFiles(folder: string): ReadonlySet<string> {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    const paths = files.map(({ parentPath, name }) => relative(folder, join(parentPath, name)));
    return new Set(paths.map((path) => path.split(sep).join("/")));
  } catch {
    return new Set();
  }
}

/** Serves the page's files, and the page itself on its own paths but `/`, which is shared with curl. */
export function mountStaticPages(scope: FastifyInstance, pages: StaticPages): void {
  for (const [path, file] of pages) {
    if (path !== "/index.html") {
      scope.get(path, (request, reply) => sendAsset(request, reply, file, path));
    }
  }
  for (const path of pagePaths)
    scope.get(path, (request, reply) => sendPage(request, reply, pages));
}

/** Sends the page. It names its files by their content, so it is the one that must not be kept. */
export async function sendPage(
  request: FastifyRequest,
  reply: FastifyReply,
  pages: StaticPages,
): Promise<FastifyReply> {
  const file = pages.get("/index.html");
  if (file === undefined) throw new Error("the page has no index.html");
  reply.header("cache-control", "private, no-store").header("vary", "accept, accept-encoding");
  return sendFile(request, reply, file);
}

/** Vite puts a hash of the content into the names under /assets/: they never change. */
async function sendAsset(
  request: FastifyRequest,
  reply: FastifyReply,
  file: PageFile,
  path: string,
): Promise<FastifyReply> {
  const isHashed = path.startsWith("/assets/");
  reply
    .header("cache-control", isHashed ? "public, max-age=31536000, immutable" : "public, no-cache")
    .header("vary", "accept-encoding")
    .header("etag", file.etag);
  const known = request.headers["if-none-match"] ?? "";
  const isKnown = known.split(",").some((tag) => tag.trim().replace(/^W\//, "") === file.etag);
  return isKnown ? reply.code(304).send() : sendFile(request, reply, file);
}

async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  { path, type, encodings }: PageFile,
): Promise<FastifyReply> {
  const accepted = acceptedEncodings(request.headers["accept-encoding"]);
  const encoding = encodings.find((each) => accepted.has(each));
  const extension = extensions.find(([name]) => name === encoding)?.[1] ?? "";
  const content = await readFile(path + extension);
  if (encoding !== undefined) reply.header("content-encoding", encoding);
  return reply.type(type).send(content);
}

/** The encodings that are named without `q=0` (RFC 9110, 12.5.3); `*` is not taken up. */
function acceptedEncodings(header: string | string[] | undefined): ReadonlySet<string> {
  const parts = String(header ?? "").split(",");
  const wanted = parts.filter((part) => !/;\s*q=0(?:\.0*)?\s*$/.test(part));
  return new Set(wanted.map((part) => part.split(";")[0]?.trim().toLowerCase() ?? ""));
}
