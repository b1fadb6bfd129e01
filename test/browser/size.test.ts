import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { startApp } from "../support/app.ts";
import { createSession, openBrowser, skip, untilReply } from "./browser.ts";

const dist = new URL("../../web/dist/", import.meta.url);

/** What a first load may weigh, gzipped bytes: the page, its scripts and its style sheets. */
const bytesMax = 250_000;

test("a first load with a conversation is small, and brings neither colours nor maths along", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say", messages: ["Hello"] });
  const browser = await openBrowser(t, app);
  const paths: string[] = [];
  browser.context.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (!pathname.startsWith("/chat.")) paths.push(pathname);
  });
  const page = await browser.open(`/s/${sessionId}`);
  await untilReply(page, "Hello");
  const files = paths.map((path) => (path.startsWith("/s/") ? "/index.html" : path));
  const sizes = files.map(
    (path) => gzipSync(readFileSync(new URL(`.${path}`, dist)), { level: 9 }).length,
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(files.length > 3, String(files));
  assert.ok(
    bytes <= bytesMax,
    `${bytes} bytes: ${files.map((path, i) => `${path} ${sizes[i]}`).join(", ")}`,
  );
  assert.deepEqual(
    files.filter((path) => /maths|highlighter|katex/.test(path)),
    [],
  );
});
