import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// biome-ignore lint/style/noDefaultExport: Vite reads a default export.
export default defineConfig({
  root: here("."),
  plugins: [react()],
  resolve: {
    alias: {
      // Streamdown brings these whether they are used or not. Without the first, raw HTML in a reply cannot
      // become elements, whatever a later setting says; the second is for Tailwind, which the page has not,
      // the third cuts Markdown into blocks, which the page does by itself, the fourth writes Markdown, which the
      // page never does, and the last is what browsers have themselves.
      "rehype-raw": here("src/markdown/no-raw-html.ts"),
      "tailwind-merge": here("src/markdown/no-tailwind.ts"),
      marked: here("src/markdown/no-marked.ts"),
      "mdast-util-to-markdown": here("src/markdown/no-markdown-writer.ts"),
      "@ungap/structured-clone": here("src/markdown/native-structured-clone.ts"),
    },
  },
  build: {
    outDir: here("dist"),
    emptyOutDir: true,
    target: "baseline-widely-available",
    // A small file inlined as a data: URL would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Libraries change less often than the page, and then stay in the browser's cache.
          groups: [
            {
              name: "libraries",
              test: /node_modules\/(react|react-dom|scheduler|@tanstack|@connectrpc|@bufbuild)\//,
            },
          ],
        },
      },
      // Libraries mark their files "use client", which means nothing here.
      onLog: (level, log, handle) => {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") handle(level, log);
      },
    },
  },
});
