import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { root } from "../contract/buf.ts";

describe("docs/turns.md", async () => {
  const events = await readFile(`${root}/src/chat/event.ts`, "utf8");
  const page = await readFile(`${root}/docs/turns.md`, "utf8");
  const ofSession = updatesIn(section(page, "### Of a session"));
  const ofList = updatesIn(section(page, "### Of the list of sessions"));

  it("documents each update of a session, and says whether it is recorded", () => {
    const known = [
      ...namesOf(events, "RecordedUpdateType").map((name) => `${name}: yes`),
      ...namesOf(events, "LiveUpdateType").map((name) => `${name}: no`),
    ];
    const documented = ofSession.map(({ name, recorded }) => `${name}: ${recorded}`);
    assert.deepEqual(documented.toSorted(), known.toSorted());
  });

  it("documents each update of the session list, none of them recorded", () => {
    const known = namesOf(events, "ListUpdateType").map((name) => `${name}: no`);
    const documented = ofList.map(({ name, recorded }) => `${name}: ${recorded}`);
    assert.deepEqual(documented.toSorted(), known.toSorted());
  });

  it("gives every update's data as a JSON object", () => {
    for (const { name, data } of [...ofSession, ...ofList]) {
      const parsed: unknown = JSON.parse(data);
      assert.ok(typeof parsed === "object" && parsed !== null && !Array.isArray(parsed), name);
    }
  });

  it("names no error reason that the domain does not have", async () => {
    const errors = await readFile(`${root}/src/chat/errors.ts`, "utf8");
    const known = namesOf(errors, "ErrorReason");
    const named = [...section(page, "## Errors to branch on").matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)];
    assert.ok(named.length > 10, `only ${named.length} reasons were found`);
    assert.deepEqual(
      named.map(([, reason = ""]) => reason).filter((reason) => !known.includes(reason)),
      [],
    );
  });

  it("has every heading that it links to", () => {
    const anchors = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading));
    const linked = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = ""]) => anchor);
    assert.ok(linked.length > 3, "the page links to none of its headings");
    assert.deepEqual(
      linked.filter((anchor) => !anchors.includes(anchor)),
      [],
    );
  });
});

/** The text below a heading, up to the next one. */
function section(page: string, heading: string): string {
  const [, below] = page.split(`\n${heading}\n`);
  assert.ok(below, `the page has no "${heading}"`);
  return below.split(/^#/m)[0] ?? "";
}

/** The rows of a table of updates: the name, whether it is recorded, and the first code of the third cell. */
function updatesIn(text: string) {
  const row = /^\| `([a-z_]+)` +\| (yes|no) +\| `(.+?)`/gm;
  return [...text.matchAll(row)].map(([, name = "", recorded = "", data = ""]) => {
    return { name, recorded, data };
  });
}

/** A union of strings, read from its source: types are gone when the program runs. */
function namesOf(source: string, type: string): string[] {
  const [, union] = source.match(new RegExp(`export type ${type} =([^;]+);`)) ?? [];
  assert.ok(union, `there is no type ${type}`);
  const names = [...union.matchAll(/"([A-Za-z_]+)"/g)].map(([, name = ""]) => name);
  assert.ok(names.length > 0, `the type ${type} has no names`);
  return names;
}

/** The anchor that renderers of Markdown give to a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 _-]/g, "")
    .replaceAll(" ", "-");
}
