import { create } from "@bufbuild/protobuf";
import {
  type ChatRequest,
  ChatRequestSchema,
  ChatRequest_Type as RequestType,
} from "../gen/chat/chat_pb.ts";
import type { Connection } from "./client.ts";

/** Without a key for so long the person counts as no longer typing. */
const idleMs = 5_000;

/** Who goes on typing tells it again after so long, so that it does not fade at the others. */
const repeatMs = 5_000;

/** Another's typing is shown for so long: its end may be lost with its sender's connection. */
const fadeMs = 10_000;

/** Who types: this person, told to the others in the session, and the others. */
export type Typing = {
  /** A key was pressed, and this is the line so far; empty when it was sent. */
  key(line: string): void;
  /** The session's watchers are told that somebody types, or has stopped to: perhaps us. */
  heard(isTyping: boolean): void;
  /** The session's watch stands anew: what was told before may have been lost. */
  live(): void;
  close(): void;
};

/**
 * Tells the session that this person types, and `show` that somebody else does. The server tells every
 * watcher and not who it is, so this client's own word comes back and is left out.
 */
export function createTyping(
  sessionId: () => string,
  tell: (sessionId: string, isTyping: boolean) => boolean,
  show: (isTyping: boolean) => void,
): Typing {
  let typingIn = "";
  let repeat: NodeJS.Timeout | undefined;
  let isRepeatDue = false;
  let idle: NodeJS.Timeout | undefined;
  let fade: NodeJS.Timeout | undefined;
  const echoes = { started: 0, stopped: 0 };

  function start(): void {
    typingIn ||= sessionId();
    isRepeatDue = false;
    clearTimeout(repeat);
    repeat = setTimeout(() => {
      isRepeatDue = true;
    }, repeatMs).unref();
    if (tell(typingIn, true)) echoes.started += 1;
  }

  function stop(): void {
    clearTimeout(idle);
    clearTimeout(repeat);
    if (typingIn === "") return;
    if (tell(typingIn, false)) echoes.stopped += 1;
    typingIn = "";
    isRepeatDue = false;
  }

  function showOthers(isTyping: boolean): void {
    clearTimeout(fade);
    show(isTyping);
    if (isTyping) fade = setTimeout(() => show(false), fadeMs).unref();
  }

  return {
    key(line) {
      // A command is nobody else's business.
      if (line === "" || line.startsWith("/") || sessionId() === "") return stop();
      clearTimeout(idle);
      idle = setTimeout(stop, idleMs).unref();
      if (typingIn === "" || isRepeatDue) start();
    },
    heard(isTyping) {
      const which = isTyping ? "started" : "stopped";
      if (echoes[which] === 0) return showOthers(isTyping);
      echoes[which] -= 1;
      // They come in order: of the starts before it none is to come.
      if (which === "stopped" && echoes.stopped === 0) echoes.started = typingIn === "" ? 0 : 1;
    },
    live() {
      // What was told a moment ago may come still.
      echoes.started = typingIn === "" ? 0 : 1;
      echoes.stopped = 0;
    },
    close() {
      stop();
      clearTimeout(fade);
    },
  };
}

/** Sends typing over a Chat stream, which is opened when it is needed; where it cannot be, nothing is told. */
export function createTypingSender({ chat }: Pick<Connection, "chat">): {
  /** Returns whether it is told. */
  tell(sessionId: string, isTyping: boolean): boolean;
  close(): Promise<void>;
} {
  const left = new AbortController();
  let waiting: ChatRequest[] = [];
  let wake: (() => void) | undefined;
  let running: Promise<void> | undefined;

  async function* requests(): AsyncGenerator<ChatRequest> {
    while (!left.signal.aborted) {
      yield* waiting.splice(0);
      if (waiting.length > 0) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  async function run(open: NonNullable<typeof chat>): Promise<void> {
    try {
      for await (const _ of await open(requests(), left.signal));
    } catch {
      // Typing is worth no second try; the next key opens another stream.
    } finally {
      waiting = [];
      running = undefined;
    }
  }

  return {
    tell(sessionId, isTyping) {
      if (chat === undefined || left.signal.aborted) return false;
      const type = isTyping ? RequestType.TYPING_START : RequestType.TYPING_STOP;
      waiting.push(create(ChatRequestSchema, { type, sessionId }));
      if (running === undefined) running = run(chat);
      else wake?.();
      return true;
    },
    async close() {
      left.abort();
      wake?.();
      await running;
    },
  };
}
