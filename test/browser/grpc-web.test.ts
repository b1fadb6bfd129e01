import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Code } from "@connectrpc/connect";
import { build, type Rolldown } from "vite";
import { startApp } from "../support/app.ts";
import { seededShare } from "../support/seeded.ts";
import { openBrowser, skip } from "./browser.ts";
import type { GrpcWebRun } from "./grpc-web-page.ts";

/** The script of grpc-web-page.ts with what it imports. */
async function bundle(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      minify: false,
      lib: {
        entry: fileURLToPath(new URL("grpc-web-page.ts", import.meta.url)),
        formats: ["iife"],
        name: "grpcWebPage",
      },
    },
  });
  const [{ output } = { output: [] }] = [built].flat() as Rolldown.RolldownOutput[];
  const chunk = output.find((each) => each.type === "chunk");
  assert.ok(chunk !== undefined && "code" in chunk);
  return chunk.code;
}

for (const tls of seededShare("gRPC-Web", [false, true], 1)) {
  test(`gRPC-Web works from a page of the server (${tls ? "HTTP/2" : "HTTP/1.1"})`, {
    skip,
  }, async (t) => {
    const app = await startApp(t, { tls });
    const browser = await openBrowser(t, app);
    const code = await bundle();
    const contentType = "text/javascript";
    await browser.context.route("**/grpc-web-page.js", (route) =>
      route.fulfill({ body: code, contentType }),
    );
    const page = await browser.open("/status");
    await page.addScriptTag({ url: "/grpc-web-page.js" });
    for (const name of ["runConnectWeb", "runGoogle"]) {
      const run = (await page.evaluate(`${name}()`)) as GrpcWebRun;
      assert.equal(run.text, Array.from({ length: 20 }, (_, i) => `w${i + 1} `).join(""), name);
      assert.equal(run.code, Code.NotFound, name);
      assert.notEqual(run.message, "");
    }
  });
}
