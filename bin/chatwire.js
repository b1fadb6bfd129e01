#!/usr/bin/env node
// Every Node since 12 must be able to read this file, to say in words that it is too old: no newer
// syntax, no static imports, nothing awaited at the top.
var needed = [24, 17];
// A checkout runs its sources as they are. Under node_modules Node refuses to strip types, so a
// published package brings them compiled.
var installed = import.meta.url.indexOf("/node_modules/") !== -1;
var found = process.versions.node.split(".").map(Number);
if (found[0] > needed[0] || (found[0] === needed[0] && found[1] >= needed[1])) {
  import(installed ? "../dist/cli/main.js" : "../src/cli/main.ts")
    .then((cli) => cli.main())
    .catch((error) => {
      var notInstalled = error && error.code === "ERR_MODULE_NOT_FOUND" && !installed;
      console.error(notInstalled ? "chatwire's packages are not installed; run: npm ci" : error);
      process.exitCode = 1;
    });
} else {
  console.error(
    "chatwire needs Node.js " +
      needed.join(".") +
      " or newer, and this is " +
      process.versions.node +
      ".\nIn a checkout, `npm ci` brings one for `npm start` and `npm run chat`; where it ran no install" +
      "\nscripts, `npm rebuild node` fetches it. Elsewhere get one from https://nodejs.org/",
  );
  process.exitCode = 1;
}
