import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import timers from "node:timers/promises";
import { type ChatResponse, FinishReason, OnBusy } from "../../src/gen/chat/chat_pb.ts";
import { words } from "../support/turn-checks.ts";
import { replyOf } from "../support/wire.ts";
import { connect, type WireClient, ways } from "./clients.ts";
import { createRandom, type Random } from "./random.ts";
import { createKilledServer, type KilledServer } from "./server-process.ts";

export type RoundsOptions = {
  /** Where the database is; empty, and removed by the caller. */
  folder: string;
  rounds: number;
  seed: number;
  /** Told of each round when it is over, in words. */
  onRound?: (text: string) => void;
};

const streams = 50;
/** Streams that have a session for themselves; the others share theirs, and so wait for each other. */
const streamsAlone = 40;
const sessionsShared = 5;
/** Events that clients are given by the time of the kill, at most: about what the replies of a round have. */
const eventsAtKillMax = 1_800;
/** When a start is killed again, how long after it began at most, milliseconds. */
const startMsMax = 700;

/** One client, the turn that it has asked for, and what it has been given. */
type Stream = {
  client: WireClient;
  message: string;
  chunks: number;
  /** Empty where the turn opens its session. */
  sessionId: string;
  seen: ChatResponse[];
};

/** Kills a server under its clients, again and again; rejects with what a client has lost. */
export async function runRounds({ folder, rounds, seed, onRound }: RoundsOptions): Promise<void> {
  const random = createRandom(seed);
  const callsFile = join(folder, "calls");
  const server = createKilledServer(join(folder, "chatwire.db"), callsFile);
  try {
    await server.start();
    for (let round = 1; round <= rounds; round += 1) {
      const told = await runRound(server, random, round);
      checkCalls(callsFile);
      onRound?.(`round ${round} of ${rounds}: ${told}`);
    }
  } finally {
    await server.kill();
  }
}

async function runRound(server: KilledServer, random: Random, round: number): Promise<string> {
  const clients = Array.from({ length: streams }, () => connect(server.url, random.pick(ways)));
  try {
    const shared = await openShared(clients, round);
    const begun = clients.map((client, index) => describe(client, index, round, random, shared));
    const killAfter = random.between(0, eventsAtKillMax);
    let events = 0;
    const { promise: due, resolve: kill } = Promise.withResolvers<void>();
    const count = () => {
      events += 1;
      if (events >= killAfter) kill();
    };
    const streaming = Promise.all(begun.map((stream) => follow(stream, count)));
    const watching = Promise.all(shared.map((id, at) => watch(clients[at], id, begun, count)));
    const done = Promise.all([streaming, watching]);
    if (killAfter === 0) kill();
    await Promise.race([due, done]);
    const killedAt = events;
    const kills = await killAndStart(server, random);
    const [, watched] = await done;
    const interrupted = await checkLogs(begun, shared, watched);
    return `killed ${kills} times after ${killedAt} events, ${interrupted} turns interrupted`;
  } finally {
    await Promise.all(clients.map(({ client }) => client.close()));
  }
}

/** Kills the server, now and then also while it starts, and starts it on the same file. */
async function killAndStart(server: KilledServer, random: Random): Promise<number> {
  await server.kill();
  for (let kills = 1; ; kills += 1) {
    const isKilledAgain = random.between(1, 3) === 1;
    const starting = server.start();
    if (!isKilledAgain) {
      await starting;
      return kills;
    }
    await timers.setTimeout(random.between(0, startMsMax));
    await server.kill();
    await starting;
  }
}

function openShared(clients: readonly WireClient[], round: number): Promise<string[]> {
  return Promise.all(
    clients.slice(0, sessionsShared).map(async ({ client }, index) => {
      const requestId = `round ${round} session ${index}`;
      return (await client.createSession({ requestId })).sessionId;
    }),
  );
}

function describe(
  client: WireClient,
  index: number,
  round: number,
  random: Random,
  shared: readonly string[],
): Stream {
  const sessionId = index < streamsAlone ? "" : (shared[index % shared.length] ?? "");
  const chunks = random.between(10, 50);
  return { client, message: `round ${round} stream ${index}`, chunks, sessionId, seen: [] };
}

async function follow(stream: Stream, onEvent: () => void): Promise<void> {
  const { client, message, chunks, sessionId, seen } = stream;
  const modelId = `scripted:${chunks}x${5 + (chunks % 10)}`;
  const options = { requestId: message, modelId, onBusy: OnBusy.ENQUEUE };
  const session = client.client.session(sessionId);
  const turn = sessionId ? session.send(message, options) : client.client.send(message, options);
  for await (const event of turn.events) {
    seen.push(event);
    onEvent();
  }
}

/** Watches a shared session until all of its turns have ended. */
async function watch(
  client: WireClient | undefined,
  sessionId: string,
  begun: readonly Stream[],
  onEvent: () => void,
): Promise<ChatResponse[]> {
  assert.ok(client);
  const seen: ChatResponse[] = [];
  let left = begun.filter((stream) => stream.sessionId === sessionId).length;
  for await (const item of client.client.session(sessionId).watch()) {
    assert.notEqual(item.type, "reload", "nothing that a client has seen was lost");
    if (item.type !== "event" || item.event.sequence === 0n) continue;
    seen.push(item.event);
    onEvent();
    if (item.event.isFinal) left -= 1;
    if (left === 0) break;
  }
  return seen;
}

/** Compares what each client has been given with the whole log; resolves with how many turns were cut short. */
async function checkLogs(
  begun: readonly Stream[],
  shared: readonly string[],
  watched: readonly ChatResponse[][],
): Promise<number> {
  let interrupted = 0;
  await Promise.all(
    begun.map(async (stream) => {
      const { client, message, seen, chunks } = stream;
      const [first] = seen;
      assert.ok(first, `${message} was given nothing`);
      const what = `${message}, ${client.name}`;
      const log = await readLog(client, first.sessionId);
      assertSequences(log, what);
      const ofTurn = log.filter(({ turnId }) => turnId === first.turnId || turnId === "");
      assertSame(seen, ofTurn, what);
      const end = seen.at(-1);
      assert.ok(end?.isFinal && seen.filter(({ isFinal }) => isFinal).length === 1, what);
      if (end.finishReason === FinishReason.STOP) assert.equal(replyOf(seen), words(chunks), what);
      else assert.equal(end.finishReason, FinishReason.INTERRUPTED, what);
      if (end.finishReason === FinishReason.INTERRUPTED) interrupted += 1;
      assert.ok(words(chunks).startsWith(replyOf(seen)), what);
    }),
  );
  for (const [index, sessionId] of shared.entries()) {
    const client = begun[index]?.client;
    assert.ok(client);
    const what = `watcher of ${sessionId}, ${client.name}`;
    assertSame(watched[index] ?? [], await readLog(client, sessionId), what);
  }
  return interrupted;
}

/** Every event of an idle session, from the first. */
async function readLog({ client }: WireClient, sessionId: string): Promise<ChatResponse[]> {
  const events: ChatResponse[] = [];
  for await (const item of client.session(sessionId).watch({ untilIdle: true })) {
    if (item.type === "event" && item.event.sequence > 0n) events.push(item.event);
  }
  return events;
}

function assertSequences(log: readonly ChatResponse[], what: string): void {
  const expected = log.map((_, index) => BigInt(index + 1));
  assert.deepEqual(
    log.map(({ sequence }) => sequence),
    expected,
    what,
  );
}

/** The same events, none missing and none twice, in the same order. */
function assertSame(
  seen: readonly ChatResponse[],
  log: readonly ChatResponse[],
  what: string,
): void {
  const tell = ({ sequence, type, turnId, chunkText }: ChatResponse) =>
    `${sequence} ${type} ${turnId} ${chunkText}`;
  assert.deepEqual(seen.map(tell), log.map(tell), what);
}

/** Every message has a text of its own. */
function checkCalls(callsFile: string): void {
  const calls = readFileSync(callsFile, "utf8").split("\n").filter(Boolean);
  const twice = calls.filter((message, index) => calls.indexOf(message) !== index);
  assert.deepEqual(twice, [], "a model ran twice for one turn");
}
