import { after } from "node:test";

// A process that runs several files of tests and ends in the middle of them, with 0 even, has not run them all;
// what Node saw of it would pass.
let isOver = false;
after(() => {
  isOver = true;
});
process.once("exit", () => {
  if (isOver) return;
  console.error(`ended before its tests: ${process.argv[1]}`);
  process.exitCode = 1;
});
