import { newId, systemClock } from "../src/chat/clock.ts";
import type { NewEvent } from "../src/chat/event.ts";
import type { EventLog } from "../src/chat/event-log.ts";
import { createLiveTurn } from "../src/chat/live-turn.ts";
import type { Message } from "../src/chat/message.ts";
import { anonymous, type Session } from "../src/chat/session.ts";
import type { Turn } from "../src/chat/turn.ts";
import { endOf, storedEnd } from "../src/chat/turn-end.ts";
import { createSqliteEventLog, eventLogModule } from "../src/event-log/sqlite.ts";
import { openDatabase } from "../src/sqlite/database.ts";
import { createSqliteStore, storeModule } from "../src/store/sqlite.ts";
import type { TidyStore } from "../src/store/tidier.ts";

/** What is in a store that was filled. */
export type Filled = {
  sessionIds: readonly string[];
  /** Words of its messages, those in every session first, those in a few last. */
  words: readonly string[];
  /** A long text of these words. */
  text: string;
};

const turnsPerSession = 100;
const wordsPerReply = 60;
const chunksPerReply = 10;
/** Sessions that are filled at a time; their writes share transactions. */
const sessionsAtOnce = 100;

/** Stores so many messages, half of them questions, as the engine does it; and waits until they are indexed. */
export async function fillStore(file: string, messages: number): Promise<Filled> {
  const database = await openDatabase({
    file,
    durability: "normal",
    modules: [storeModule, eventLogModule],
    owner: { url: "" },
  });
  const retention = { retentionMs: 0, retentionBytes: 2 ** 20 };
  const log = await createSqliteEventLog(database, { clock: systemClock, ...retention });
  await log.startRetention();
  const store = createSqliteStore(database);
  const words = createWords();
  const sessions = Math.ceil(messages / 2 / turnsPerSession);
  const sessionIds: string[] = [];
  for (let from = 0; from < sessions; from += sessionsAtOnce) {
    const count = Math.min(sessionsAtOnce, sessions - from);
    const filling = Array.from({ length: count }, () => fillSession(store, log, words));
    sessionIds.push(...(await Promise.all(filling)));
  }
  await store.tidy();
  await log.prune();
  store.close();
  await log.close();
  await database.close();
  return { sessionIds, words, text: sentence(words, 10_000) };
}

async function fillSession(
  store: TidyStore,
  log: EventLog,
  words: readonly string[],
): Promise<string> {
  const sessionId = newId();
  await store.createSession(newSession(sessionId, words));
  for (let number = 0; number < turnsPerSession; number += 1) {
    await addTurn(store, log, newTurn(sessionId, sentence(words, wordsPerReply / 3)), words);
  }
  return sessionId;
}

async function addTurn(
  store: TidyStore,
  log: EventLog,
  turn: Turn,
  words: readonly string[],
): Promise<void> {
  const { sessionId, turnId, model, replyMessageId: messageId, userMessage } = turn;
  await store.createTurn({ turn, atHead: false, queuedTurnsMax: 8 });
  const acquired = await store.acquireTurn(sessionId, "bench");
  if (typeof acquired === "string") throw new Error(`the session is ${acquired}`);
  const { fence } = acquired;
  const live = createLiveTurn({ turn, ...unattended });
  const append = async (events: NewEvent[]) => {
    const batch = live.recorded() + 1;
    const { firstSequence } = await log.append({ sessionId, turnId, fence, batch, events });
    live.record(events.map((event, i) => ({ ...event, turnId, sequence: firstSequence + i })));
  };
  const at = systemClock.now();
  const place = (chunk: number) => ({ at: at + chunk * 20, elapsedMs: chunk * 20 });
  const chunkText = () => `${sentence(words, wordsPerReply / chunksPerReply)} `;
  await append([
    { type: "status", model, contextMessages: 1, userMessage, ...place(0) },
    { type: "start", model, messageId, ...place(1) },
    ...Array.from({ length: chunksPerReply }, (_, index): NewEvent => {
      return { type: "chunk", text: chunkText(), number: index + 1, ...place(index + 1) };
    }),
  ]);
  const usage = { ...noUsage, outputTokens: wordsPerReply, totalTokens: wordsPerReply };
  const outcome = { finishReason: "stop", model, usage, processingMs: 200 } as const;
  const end = endOf(live, outcome, acquired.messages);
  await append([{ ...end, ...place(chunksPerReply) }]);
  await store.endTurn(storedEnd(live, fence, end));
  await log.release(sessionId, turnId);
}

const noUsage = {
  inputTokens: 0,
  outputTokens: 0,
  thinkingTokens: 0,
  cachedTokens: 0,
  totalTokens: 0,
  estimated: false,
};

const unattended = {
  startsAfter: 0,
  graceMs: 0,
  watchers: () => 0,
  isDraining: () => true,
  onFailure: () => undefined,
  cancel: () => undefined,
};

function newSession(sessionId: string, words: readonly string[]): Session {
  const now = systemClock.now();
  return {
    sessionId,
    principal: anonymous,
    model: "scripted:50x20",
    title: sentence(words, 4),
    systemInstruction: "",
    generation: {},
    metadata: {},
    createdAt: now,
    updatedAt: now,
  };
}

function newTurn(sessionId: string, text: string): Turn {
  const turnId = newId();
  const createdAt = systemClock.now();
  const userMessage: Message = {
    messageId: newId(),
    sessionId,
    turnId,
    role: "user",
    parts: [{ type: "text", text }],
    state: "complete",
    createdAt,
    requestId: "",
    model: "",
    sequence: 0,
  };
  return {
    turnId,
    sessionId,
    principal: anonymous,
    requestId: "",
    type: "message",
    onDisconnect: undefined,
    replaces: [],
    model: "scripted:50x20",
    systemInstruction: "",
    generation: {},
    chunkBy: "model",
    replyMessageId: newId(),
    userMessage,
    createdAt,
  };
}

/** Five thousand words that can be spoken. */
function createWords(): string[] {
  const syllables = ["ba", "ko", "mi", "ru", "sel", "tan", "vo", "zir", "pol", "gen"];
  return Array.from({ length: 5_000 }, (_, number) =>
    String(number + 10_000).replaceAll(/\d/g, (digit) => syllables[Number(digit)] ?? ""),
  );
}

/** Words as language has them: few are in every sentence, most are rare (Zipf's law, about). */
function sentence(words: readonly string[], count: number): string {
  const pick = () => words[Math.floor(words.length ** Math.random()) - 1] ?? "";
  return Array.from({ length: count }, pick).join(" ");
}
