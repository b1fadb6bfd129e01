import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Queue } from "../../../src/event-log/queue.ts";

test("a queue is a list that is pushed at its end and removed from at its start", () => {
  const step = fc.oneof(fc.record({ push: fc.nat() }), fc.record({ remove: fc.nat(5) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new Queue<number>(0);
      const list: number[] = [];
      for (const one of steps) {
        if ("push" in one) {
          queue.push(one.push);
          list.push(one.push);
        } else {
          queue.removeFirst(one.remove);
          list.splice(0, one.remove);
        }
        assert.equal(queue.length, list.length);
        assert.equal(queue.at(0), list[0]);
        assert.equal(queue.at(list.length - 1), list.at(-1));
        assert.equal(queue.at(-1), undefined);
        assert.equal(queue.at(list.length), undefined);
      }
    }),
  );
});
