import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import type { SessionItem } from "../../../src/client/session-item.ts";
import {
  type ChatResponse,
  ChatResponse_Type as EventType,
  type Message,
} from "../../../src/gen/chat/chat_pb.ts";
import { type FakeSession, type FakeTurn, foldMessages } from "../../support/fake-chat.ts";
import type { Fault } from "../../support/faulty-transport.ts";
import type { VirtualClock } from "../../support/virtual-clock.ts";
import { createMemoryClient, type MemoryClient } from "./memory-client.ts";

const codes = [Code.Aborted, Code.InvalidArgument, Code.Internal, Code.Unknown, Code.Canceled];
const upTo = (max: number) => fc.option(fc.nat(max), { nil: undefined });
const fault: fc.Arbitrary<Fault> = fc
  .record({
    cutAfter: upTo(12),
    silentAfter: upTo(12),
    twice: upTo(4),
    refused: fc.boolean(),
    code: fc.constantFrom(...codes),
  })
  .map(
    (all) =>
      Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Fault,
  );

const step = fc.record({
  act: fc.constantFrom("chunk", "chunk", "chunk", "turn", "restart", "drain", "restore", "expire"),
  afterMs: fc.constantFrom(0, 0, 1, 300, 40_000),
});
const reading = fc.constantFrom(0, 0, 0, 5, 1_000, 60_000);
const faults = fc.array(fault, { maxLength: 12 });

const sleep = (clock: VirtualClock, ms: number) =>
  new Promise<void>((resolve) => void clock.setTimeout(resolve, ms));

/** Does what the steps say to the session. */
async function write(
  { chat, replicas, clock }: MemoryClient,
  session: FakeSession,
  steps: { act: string; afterMs: number }[],
): Promise<void> {
  let turn = chat.startTurn({
    sessionId: session.sessionId,
    message: "q0",
    requestId: "r0",
  } as never);
  for (const [index, { act, afterMs }] of steps.entries()) {
    await sleep(clock, afterMs);
    if (act === "chunk") turn.chunk(`${index} `);
    if (act === "turn") {
      turn.end();
      const message = `q${index}`;
      turn = chat.startTurn({ sessionId: session.sessionId, message, requestId: message } as never);
    }
    if (act === "drain") replicas[index % replicas.length]?.tell(draining);
    if (act === "expire") session.floor = session.lastSequence();
    if (act === "restore") restore(session, index);
    if (act === "restart" || act === "restore") for (const replica of replicas) replica.stop();
  }
  turn.end();
}

const draining = { type: EventType.SESSION_UPDATE, updateType: "draining", updateData: "{}" };

/** The log goes back by some events, and what follows has a new epoch. */
function restore(session: FakeSession, count: number): void {
  session.log.splice(Math.max(0, session.log.length - (count % 4)));
  session.epoch += 1;
}

/** What a consumer makes of the items: the messages, and the sequences since the last reload. */
function createView() {
  let base: Message[] = [];
  let events: ChatResponse[] = [];
  let after = 0n;
  return {
    add(item: SessionItem) {
      if (item.type === "reload") {
        base = item.messages.toReversed();
        events = [];
        after = item.sequence;
      } else if (item.type === "event" && item.event.sequence > 0n) events.push(item.event);
    },
    messages: () => foldMessages(events, base),
    assertDense() {
      let last = after;
      for (const { sequence } of events) assert.equal(sequence, ++last);
    },
  };
}

const essence = (messages: Message[]) =>
  messages.map(({ role, text, turnId }) => [role, text, turnId]);

test("whatever is cut, doubled, delayed, restarted, restored and expired, the view of a watch equals the log", {
  timeout: 120_000,
}, async (t) => {
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 25 }),
    faults,
    fc.array(reading, { minLength: 1, maxLength: 8 }),
    fc.integer({ min: 1, max: 3 }),
    async (steps, suffered, speeds, servers) => {
      await withClient(t, { servers, buffer: { itemsMax: 3 } }, async (memory) => {
        const { client, chat, clock } = memory;
        memory.faults.push(...suffered);
        const session = chat.openSession("s");
        const written = write(memory, session, steps);
        let isWritten = false;
        const view = createView();
        const watch = client.session("s").watch();
        const read = (async () => {
          let count = 0;
          for await (const item of watch) {
            view.add(item);
            view.assertDense();
            await sleep(clock, speeds[count++ % speeds.length] ?? 0);
            const { sequence, epoch } = watch.cursor;
            if (isWritten && sequence === session.lastSequence() && epoch === session.epoch) break;
          }
        })();
        read.catch(() => undefined);
        await clock.run(written);
        isWritten = true;
        // Wakes a reader that had everything before the writer knew that it was done.
        session.append({ type: EventType.SESSION_UPDATE, updateType: "session_renamed" });
        await clock.run(read);
        assert.deepEqual(essence(view.messages()), essence(session.messages()));
      });
    },
  );
  await fc.assert(property, { numRuns: 100 });
});

test("whatever is cut, doubled and restarted, a turn's text is whole, and the model runs once", {
  timeout: 120_000,
}, async (t) => {
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 20 }),
    faults,
    fc.array(reading, { minLength: 1, maxLength: 8 }),
    fc.integer({ min: 1, max: 3 }),
    async (steps, suffered, speeds, servers) => {
      await withClient(t, { servers, buffer: { itemsMax: 3 } }, async (memory) => {
        const { client, chat, clock } = memory;
        memory.faults.push(...suffered);
        let text = "";
        chat.autoReply = (turn) => void reply(turn);
        async function reply(turn: FakeTurn): Promise<void> {
          for (const [index, { act, afterMs }] of steps.entries()) {
            await sleep(clock, afterMs);
            if (act === "restart") for (const replica of memory.replicas) replica.stop();
            if (act === "drain") memory.server.tell(draining);
            text += `${index} `;
            turn.chunk(`${index} `);
          }
          turn.end();
        }
        const turn = client.send("hi");
        let heard = "";
        const read = (async () => {
          let count = 0;
          for await (const { chunkText } of turn.events) {
            heard += chunkText;
            await sleep(clock, speeds[count++ % speeds.length] ?? 0);
          }
        })();
        await clock.run(read);
        assert.equal(heard, text);
        assert.equal((await turn.result()).text, text);
        assert.equal(chat.modelRuns.length, 1);
      });
    },
  );
  await fc.assert(property, { numRuns: 100 });
});

/** A client for one run, with its own clean-up. */
async function withClient(
  t: TestContext,
  options: Parameters<typeof createMemoryClient>[1],
  use: (memory: MemoryClient) => Promise<void>,
): Promise<void> {
  const cleanUps: (() => unknown)[] = [];
  const own = { after: (cleanUp: () => unknown) => void cleanUps.push(cleanUp) };
  const memory = createMemoryClient(Object.assign(Object.create(t), own) as TestContext, {
    ...options,
    retry: { turnBudgetMs: Number.POSITIVE_INFINITY },
  });
  try {
    await use(memory);
  } finally {
    for (const cleanUp of cleanUps) await cleanUp();
  }
}
