import { setTimeout as wait } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import {
  ChatRequest_Type,
  type ChatRequestSchema,
  type ChatResponse,
  type ChatService,
  OnBusy,
  OnDisconnect,
} from "../../src/gen/chat/chat_pb.ts";
import type { Random } from "../crash/random.ts";

type Chat = Client<typeof ChatService>;
type Asked = MessageInitShape<typeof ChatRequestSchema>;

/** Somebody with a session, who does one random thing after another in it. */
export type Person = {
  /** Does one thing; rejects with what may not happen. */
  act(): Promise<void>;
};

export type PersonOptions = {
  random: Random;
  /** A client by any of the lanes; asked for before each call. */
  chat: () => Chat;
  /** Counts what was done, by its name. */
  onDone: (what: string) => void;
};

/** What a random request may be refused with, and what a lost or cancelled call ends with. */
const expected: ReadonlySet<Code> = new Set([
  Code.Canceled,
  Code.FailedPrecondition,
  Code.NotFound,
  Code.Aborted,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
  Code.Unavailable,
]);

const models = [
  "scripted:20x5",
  "scripted:60x2",
  "scripted:5x30",
  "scripted:200x0",
  "scripted:20x5!unavailable@7",
  "scripted:20x5!end@9",
  "scripted:20x5!max_tokens@9",
  "scripted:20x5!hang@3",
  "scripted:echo",
];

export function createPerson({ random, chat, onDone }: PersonOptions): Person {
  let sessionId = "";

  const ask = (more: Asked = {}) => ({
    message: `Tell me of ${random.between(1, 1_000_000)}`,
    sessionId,
    modelId: random.pick(models),
    requestId: crypto.randomUUID(),
    onBusy: random.pick([OnBusy.ENQUEUE, OnBusy.INTERRUPT, OnBusy.REJECT]),
    onDisconnect: random.pick([
      OnDisconnect.UNSPECIFIED,
      OnDisconnect.GRACE,
      OnDisconnect.CONTINUE,
      OnDisconnect.CANCEL,
    ]),
    ...more,
  });
  /** Reads a turn to its end, or leaves it after so many events. */
  const read = async (request: Asked, eventsMax = Number.POSITIVE_INFINITY) => {
    const leaving = new AbortController();
    const events: ChatResponse[] = [];
    try {
      for await (const event of chat().streamChat(request, { signal: leaving.signal })) {
        events.push(event);
        if (events.length >= eventsMax) leaving.abort();
      }
    } catch (error) {
      tolerate(error);
    }
    return events;
  };
  const latest = async (role: "user" | "model") => {
    const { messages } = await chat().listMessages({ sessionId, newestFirst: true, pageSize: 10 });
    return messages.find((message) => (message.role === 1) === (role === "user"));
  };

  const deeds: Record<string, () => Promise<void>> = {
    async send() {
      await read(ask());
    },
    async loseAndSendAgain() {
      const request = ask();
      const seen = await read(request, random.between(1, 8));
      const last = seen.findLast(({ sequence }) => sequence > 0n);
      await read({ ...request, afterSequence: last?.sequence ?? 0n });
    },
    async loseAndWatch() {
      await read(ask(), random.between(1, 8));
      for await (const _ of chat().watchSession({ sessionId, untilIdle: true }));
    },
    async lose() {
      await read(ask(), random.between(1, 8));
    },
    async cancel() {
      const request = ask();
      const { requestId } = request;
      const stop = async () => {
        await wait(random.between(0, 60));
        await chat().cancelTurn(random.between(0, 1) ? { sessionId } : { requestId });
      };
      await Promise.all([read(request), stop()]);
    },
    async queue() {
      await Promise.all([1, 2, 3].map(() => read(ask({ onBusy: OnBusy.ENQUEUE }))));
    },
    async interrupt() {
      await Promise.all([read(ask()), read(ask({ onBusy: OnBusy.INTERRUPT }))]);
    },
    async edit() {
      const messageId = (await latest("user"))?.messageId ?? "none";
      const edit = { type: ChatRequest_Type.EDIT, messageId, onBusy: OnBusy.UNSPECIFIED };
      await read(ask(edit));
    },
    async regenerate() {
      await read(ask(again(ChatRequest_Type.REGENERATE)));
    },
    async continue() {
      await read(ask(again(ChatRequest_Type.CONTINUE)));
    },
    async rename() {
      await chat().updateSession({ sessionId, title: `Named ${random.between(1, 99)}` });
    },
    async search() {
      await chat().listSessions({ query: "tell", pageSize: 5 });
    },
    async fork() {
      const fork = await chat().forkSession({ sessionId });
      await chat().deleteSession({ sessionId: fork.sessionId });
    },
    async removeUnderReaders() {
      const removeSoon = async () => {
        await wait(random.between(0, 40));
        await remove();
      };
      await Promise.all([read(ask()), watchToEnd(chat, sessionId), removeSoon()]);
      await open();
    },
  };

  const open = async () => {
    ({ sessionId } = await chat().createSession({ metadata: { soak: "1" } }));
  };
  const remove = async () => {
    const leaving = sessionId;
    sessionId = "";
    await chat().deleteSession({ sessionId: leaving });
  };

  return {
    async act() {
      const what = random.pick(Object.keys(deeds));
      try {
        if (sessionId === "") await open();
        await deeds[what]?.();
      } catch (error) {
        tolerate(error);
      }
      onDone(what);
    },
  };
}

function again(type: ChatRequest_Type) {
  return { type, message: "", onBusy: OnBusy.UNSPECIFIED };
}

async function watchToEnd(chat: () => Chat, sessionId: string): Promise<void> {
  try {
    for await (const _ of chat().watchSession({ sessionId }));
  } catch (error) {
    tolerate(error);
  }
}

/** A connection that was cut ends calls in many ways; what the server says has to be what it may say. */
function tolerate(error: unknown): void {
  const { code, isWireError } = ConnectError.from(error);
  if (isWireError && !expected.has(code)) throw error;
}
