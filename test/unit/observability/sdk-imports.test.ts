import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { useFakeCollector } from "../../support/fake-collector.ts";

/** Starts and closes a server in a process of its own and prints the packages of OpenTelemetry that it has loaded. */
const program = `
  import { registerHooks } from "node:module";
  const loaded = new Set();
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const name = /\\/(@opentelemetry\\/[^/]+)\\//.exec(resolved.url);
      if (name) loaded.add(name[1]);
      return resolved;
    },
  });
  const { buildApp } = await import("./src/app.ts");
  const { loadConfig } = await import("./src/config.ts");
  const app = await buildApp(loadConfig({ env: process.env }));
  await app.close();
  console.log(JSON.stringify([...loaded]));
`;

async function loadedWith(env: Record<string, string>): Promise<string[]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", program],
    {
      cwd: new URL("../../..", import.meta.url),
      env: { DATABASE_URL: "memory:", PORT: "0", LOG_LEVEL: "silent", ...env },
    },
  );
  return JSON.parse(stdout);
}

test("the SDK is loaded with a collector's address, and without one nothing of it", async (t) => {
  assert.deepEqual(await loadedWith({}), ["@opentelemetry/api"]);
  const { url } = await useFakeCollector(t);
  const loaded = await loadedWith({ OTEL_EXPORTER_OTLP_ENDPOINT: url });
  assert.ok(loaded.includes("@opentelemetry/sdk-trace"));
  assert.ok(loaded.includes("@opentelemetry/exporter-trace-otlp-proto"));
});

test("one file imports the SDK, and one other imports that file, when it is needed", async () => {
  const root = new URL("../../../src/", import.meta.url);
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith(".ts"));
  const importers: Record<string, string[]> = { sdk: [], otlp: [] };
  for (const name of names) {
    const source = await readFile(new URL(name, root), "utf8");
    if (/from "@opentelemetry\/(?!api")/.test(source)) importers.sdk?.push(name);
    if (source.includes("/otlp.ts")) importers.otlp?.push(name);
    assert.doesNotMatch(source, /import .*from "[^"]*\/otlp\.ts"/, name);
  }
  assert.deepEqual(importers, {
    sdk: ["observability/otlp.ts"],
    otlp: ["observability/tracing.ts"],
  });
});
