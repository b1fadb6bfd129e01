import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { serverBusy } from "../../../src/admission/admission.ts";
import { createLateStream } from "../../../src/service/late-stream.ts";
import { collect } from "../../support/wire.ts";

const busy = () => {
  throw serverBusy("new streams");
};

/** Gives what it is told, and then nothing. */
async function* silentAfter(...values: readonly number[]): AsyncGenerator<number> {
  yield* values;
  await new Promise<never>(() => {});
}

describe("a late stream", () => {
  it("is refused when it asks for something new, unless there is room by then", () => {
    let admit: () => void = busy;
    const late = createLateStream(() => admit());
    assert.equal(late.isLate(), true);
    assert.throws(() => late.refuseNew(), { reason: "SERVER_BUSY" });
    admit = () => undefined;
    late.refuseNew();
  });

  it("that has a turn to read is refused nothing", () => {
    const late = createLateStream(busy);
    late.accept();
    late.refuseNew();
    assert.equal(late.isLate(), false);
  });

  it("that says nothing ends", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const requests = collect(createLateStream(busy).requests(silentAfter()));
    const refused = assert.rejects(requests, { reason: "SERVER_BUSY" });
    t.mock.timers.tick(5_000);
    await refused;
  });

  it("that has said something may be silent", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const requests = createLateStream(busy).requests(silentAfter(1))[Symbol.asyncIterator]();
    assert.deepEqual(await requests.next(), { done: false, value: 1 });
    const second = requests.next().catch((error: unknown) => error);
    t.mock.timers.tick(3_600_000);
    const stillOpen = await Promise.race([second, Promise.resolve("open")]);
    assert.equal(stillOpen, "open");
  });

  it("that came in time is none", () => {
    const stream = createLateStream(() => undefined);
    const source = silentAfter();
    assert.equal(stream.requests(source), source);
    stream.refuseNew();
    assert.equal(stream.isLate(), false);
  });
});
