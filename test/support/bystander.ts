import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { TestApp } from "./app.ts";
import { connectLane, lanes } from "./lanes.ts";
import { openStreamChat } from "./stream-call.ts";
import { words } from "./turn-checks.ts";
import { replyOf } from "./wire.ts";

/** What every attack is asked: a well-behaved stream beside it keeps this much of its pace. */
const paceRatioMin = 0.9;

/** So long (1 s) that a short stall of the machine is a small part of it. */
const chunks = 50;
const modelId = `scripted:${chunks}x20`;

/** How long the stream takes when nobody attacks, milliseconds; taken at the start, and again before another try. */
let aloneMs: number | undefined;

/** A stall of the machine slows one try; an attack that starves others slows each. */
const triesMax = 3;

/**
 * Opens a well-behaved gRPC stream and attacks again and again until it has ended. Fails when the stream is not
 * whole, or in each of three tries slower than it is alone.
 */
export async function attackBeside(
  t: TestContext,
  app: TestApp,
  attack: () => Promise<unknown>,
): Promise<void> {
  let ratio = 0;
  for (let tries = 1; tries <= triesMax && ratio < paceRatioMin; tries += 1) {
    if (aloneMs === undefined || tries > 1) aloneMs = await streamOnce(app);
    const { ms, attacks } = await attackWhile(streamOnce(app), attack);
    ratio = aloneMs / ms;
    t.diagnostic(`pace ${ratio.toFixed(2)} beside ${attacks} attacks`);
  }
  assert.ok(ratio >= paceRatioMin, `pace ${ratio.toFixed(2)}`);
}

async function attackWhile(stream: Promise<number>, attack: () => Promise<unknown>) {
  let ended = false;
  const end = stream.finally(() => {
    ended = true;
  });
  // Until it is awaited below a failure of the stream has nobody else to take it.
  end.catch(() => undefined);
  let attacks = 0;
  while (!ended) {
    await attack();
    attacks += 1;
    // An attack that never waits for the server must leave it a turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { ms: await end, attacks };
}

const grpcLane = (tls: boolean) => lanes.find((lane) => lane.tls === tls) ?? assert.fail();

/** Milliseconds from the call to its end, on a connection of its own that stands already. */
async function streamOnce(app: TestApp): Promise<number> {
  const { chat, cut } = connectLane(app, grpcLane(app.tls));
  await chat.health({});
  const startMs = performance.now();
  const call = openStreamChat(chat, { message: "Hi", modelId });
  assert.equal(await call.ended, undefined);
  const ms = performance.now() - startMs;
  assert.equal(replyOf(call.events), words(chunks));
  cut();
  return ms;
}
