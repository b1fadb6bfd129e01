import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import Fastify, { type FastifyInstance } from "fastify";
import { mountPages } from "../../../src/service/pages.ts";
import { temporaryFolder } from "../../support/programs.ts";

const html = "<!doctype html><title>page</title>";
const script = "console.log(1);";

/** A server with a page of two files, and one that is none of its business beside them. */
async function serve(t: TestContext, { isBuilt = true } = {}): Promise<FastifyInstance> {
  const folder = temporaryFolder(t);
  const dist = join(folder, "dist");
  mkdirSync(join(dist, "assets"), { recursive: true });
  writeFileSync(join(folder, "secret.js"), "secret");
  if (isBuilt) {
    writeFileSync(join(dist, "index.html"), html);
    writeFileSync(join(dist, "assets/main-1a2b.js"), script);
    writeFileSync(join(dist, "assets/main-1a2b.js.gz"), gzipSync(script));
    writeFileSync(join(dist, "assets/main-1a2b.js.br"), brotliCompressSync(script));
    mkdirSync(join(dist, ".vite"));
    writeFileSync(join(dist, ".vite/manifest.js"), "{}");
  }
  const fastify = Fastify();
  t.after(() => fastify.close());
  await mountPages(fastify, {
    metrics: { render: async () => "", contentType: "text/plain" },
    checkReady: async () => undefined,
    allowMetrics: async () => undefined,
    pagesFolder: dist,
  });
  return fastify;
}

const browser = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

test("a browser gets the page at / and at its own paths, kept by nobody", async (t) => {
  const server = await serve(t);
  for (const url of ["/", "/s/some-session", "/status"]) {
    const { statusCode, headers, body } = await server.inject({ url, headers: browser });
    assert.deepEqual([statusCode, body], [200, html], url);
    assert.equal(headers["content-type"], "text/html; charset=utf-8");
    assert.equal(headers["cache-control"], "private, no-store");
    assert.match(
      String(headers["content-security-policy"]),
      /script-src 'self'; style-src 'self';/,
    );
    assert.doesNotMatch(String(headers["content-security-policy"]), /unsafe/);
  }
});

test("curl gets words at /", async (t) => {
  const server = await serve(t);
  const { headers, body } = await server.inject({ url: "/", headers: { accept: "*/*" } });
  assert.equal(headers["content-type"], "text/plain; charset=utf-8");
  assert.match(body, /curl http/);
});

test("without a built page everybody gets words, and how to have it", async (t) => {
  const server = await serve(t, { isBuilt: false });
  const { statusCode, body } = await server.inject({ url: "/", headers: browser });
  assert.equal(statusCode, 200);
  assert.match(body, /npm ci/);
  assert.equal((await server.inject({ url: "/status", headers: browser })).statusCode, 404);
});

test("files with a hash in their name are kept for ever", async (t) => {
  const server = await serve(t);
  const url = "/assets/main-1a2b.js";
  const { headers, body } = await server.inject({ url });
  assert.equal(body, script);
  assert.equal(headers["content-type"], "text/javascript; charset=utf-8");
  assert.equal(headers["cache-control"], "public, max-age=31536000, immutable");
  const etag = String(headers.etag);
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const again = await server.inject({ url, headers: { "if-none-match": known } });
    assert.deepEqual([again.statusCode, again.body], [304, ""], known);
  }
  const other = await server.inject({ url, headers: { "if-none-match": '"other"' } });
  assert.equal(other.statusCode, 200);
});

test("files leave in the smallest encoding that the browser takes", async (t) => {
  const server = await serve(t);
  const fetch = (accepted: string) =>
    server.inject({ url: "/assets/main-1a2b.js", headers: { "accept-encoding": accepted } });
  const br = await fetch("gzip, deflate, br, zstd");
  assert.equal(br.headers["content-encoding"], "br");
  assert.equal(String(brotliDecompressSync(br.rawPayload)), script);
  for (const accepted of ["gzip", "br;q=0, gzip;q=0.5"]) {
    const gz = await fetch(accepted);
    assert.equal(gz.headers["content-encoding"], "gzip", accepted);
    assert.equal(String(gunzipSync(gz.rawPayload)), script);
    assert.equal(gz.headers.vary, "accept-encoding");
  }
  for (const accepted of ["", "identity", "gzip;q=0", "*"]) {
    const plain = await fetch(accepted);
    assert.equal(plain.headers["content-encoding"], undefined, accepted);
    assert.equal(plain.body, script);
  }
});

test("HEAD answers as GET does, without the content", async (t) => {
  const server = await serve(t);
  const { statusCode, headers, body } = await server.inject({
    method: "HEAD",
    url: "/assets/main-1a2b.js",
  });
  assert.deepEqual([statusCode, body], [200, ""]);
  assert.equal(headers["content-length"], String(script.length));
});

test("no path leads to a file that is not the page's", async (t) => {
  const server = await serve(t);
  for (const url of [
    "/secret.js",
    "/../secret.js",
    "/assets/../../secret.js",
    "/assets/..%2f..%2fsecret.js",
    "/assets/%2e%2e/%2e%2e/secret.js",
    "/assets/..\\..\\secret.js",
    "/assets/main-1a2b.js%00.html",
    "/assets/main-1a2b.js/",
    "/assets/main-1a2b.js.gz",
    "/assets/",
    "/assets",
    "/.vite/manifest.js",
    "/index.html",
    "//etc/passwd",
  ]) {
    const { statusCode, body } = await server.inject({ url });
    assert.equal(statusCode, 404, url);
    assert.doesNotMatch(body, /^secret/);
  }
});

test("a browser gets the page as a 404 where there is none, and anybody else words", async (t) => {
  const server = await serve(t);
  for (const url of ["/nowhere", "/foo/bar", "/foo.Service/Method"]) {
    const page = await server.inject({ url, headers: browser });
    assert.deepEqual([page.statusCode, page.body], [404, html], url);
    assert.match(String(page.headers["content-security-policy"]), /script-src 'self'/);
    const words = await server.inject({ url, headers: { accept: "*/*" } });
    assert.equal(words.statusCode, 404);
    assert.doesNotMatch(words.body, /doctype/, url);
  }
  const status = await server.inject({ url: "/status/", headers: browser });
  assert.deepEqual([status.statusCode, status.body], [200, html]);
});
