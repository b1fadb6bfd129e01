import assert from "node:assert/strict";
import { test } from "node:test";
import { linesOf } from "../../../web/src/status/chart-lines.ts";

const point = (at: number, value: number) => ({ at, value });

test("a chart's top is its highest value, however small that is", () => {
  const { line } = linesOf([point(0, 0), point(2_000, 0.01), point(4_000, 0.005)], 0.01);
  const heights = line
    .split(/[ML]/)
    .slice(1)
    .map((each) => Number(each.split(" ")[1]));
  assert.deepEqual(heights, [62, 4, 33]);
});

test("a chart's time ends at its latest point, and what is older than its window is not drawn", () => {
  const { line, width } = linesOf([point(0, 1), point(124_000, 1), point(126_000, 1)], 1);
  const places = line
    .split(/[ML]/)
    .slice(1)
    .map((each) => Number(each.split(" ")[0]));
  assert.deepEqual(places, [width - 4, width]);
});

test("where nothing was heard there is a gap", () => {
  const { line, area } = linesOf(
    [point(0, 1), point(2_000, 1), point(60_000, 1), point(62_000, 1)],
    1,
  );
  assert.equal(line.match(/M/g)?.length, 2);
  assert.equal(area.match(/Z/g)?.length, 2);
  assert.deepEqual(linesOf([], 0), { line: "", area: "", width: 240, height: 64 });
});
