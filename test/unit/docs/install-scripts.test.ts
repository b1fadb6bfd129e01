import assert from "node:assert/strict";
import { test } from "node:test";
import { readRepositoryFile } from "./tables.ts";

type Locked = {
  hasInstallScript?: boolean;
  integrity?: string;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
};

const { allowScripts, dependencies, devDependencies } = JSON.parse(
  readRepositoryFile("package.json"),
) as Record<"allowScripts" | "dependencies" | "devDependencies", Record<string, unknown>>;
const { packages } = JSON.parse(readRepositoryFile("package-lock.json")) as {
  packages: Record<string, Locked>;
};

const installed = Object.entries(packages).filter(([path]) => path !== "");

test("every package that has an install script is decided on, and no other", () => {
  const withScript = installed
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([path]) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length));
  assert.deepEqual(Object.keys(allowScripts).toSorted(), [...new Set(withScript)].toSorted());
});

test("docs/dependencies.md says which install scripts run and which do not, with a reason each", () => {
  const [, section = ""] = readRepositoryFile("docs/dependencies.md").split("## Install scripts");
  for (const [name, allowed] of Object.entries(allowScripts)) {
    const line = section.split("\n").find((one) => one.startsWith(`- \`${name}\`: `));
    assert.match(line ?? "", allowed === true ? /: runs\. ./ : /: does not run\. ./, name);
  }
});

test("each dependency is one version, and every package that is installed here has its digest", () => {
  for (const version of Object.values({ ...dependencies, ...devDependencies })) {
    assert.match(String(version), /^\d+\.\d+\.\d+(?:-[\w.]+)?$/);
  }
  for (const [path, { integrity, optional, os, cpu }] of installed) {
    // npm run lockfile adds those of other platforms, whose digests npm has not seen.
    if (integrity === undefined && optional && os && cpu) continue;
    assert.match(integrity ?? "", /^sha512-/, path);
  }
});
