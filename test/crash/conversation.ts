import assert from "node:assert/strict";
import { localCaller } from "../../src/chat/caller.ts";
import type { Engine, StartedTurn } from "../../src/chat/engine.ts";
import type { Event } from "../../src/chat/event.ts";
import { anonymous } from "../../src/chat/session.ts";
import type { TurnRequest } from "../../src/chat/turn-request.ts";
import { createCall } from "../support/calls.ts";
import { newSession, turnRequest, watchRequest } from "../support/engine.ts";
import { textPart } from "../support/models.ts";
import type { Journal } from "./journal.ts";

/** One client that does one thing after another and notes what it has been told. */
export type Talk = {
  /** Opens a session and watches it. */
  open(): Promise<string>;
  /** Asks for a turn; the model's id names it, and is its request_id too. */
  start(sessionId: string, modelId: string, request?: Partial<TurnRequest>): Promise<StartedTurn>;
  /** Resolves when the watcher has been given that chunk. */
  chunk(modelId: string, chunk: number): Promise<void>;
  /** Resolves with the turn's events once the watcher has been given its end. */
  ended(turn: StartedTurn): Promise<Event[]>;
  cancel(turn: StartedTurn): Promise<void>;
  rename(sessionId: string): Promise<void>;
  remove(sessionId: string): Promise<void>;
};

/** Everything that a turn can be and become, one step after another. */
export async function converse(talk: Talk): Promise<void> {
  const session = await talk.open();
  await talk.ended(await talk.start(session, "step:plain:3:stop"));

  const running = await talk.start(session, "step:running:2:hang");
  await talk.chunk("step:running:2:hang", 2);
  const queued = await talk.start(session, "step:queued:2:stop");
  await talk.cancel(await talk.start(session, "step:withdrawn:2:stop"));
  const interrupt = { onBusy: "interrupt" } as const;
  const interrupting = await talk.start(session, "step:interrupting:1:stop", interrupt);
  await talk.ended(running);
  const [first] = await talk.ended(interrupting);
  await talk.ended(queued);

  const messageId = questionOf(first);
  const edit = { type: "edit", messageId } as const;
  await talk.ended(await talk.start(session, "step:edit:1:stop", edit));
  const regenerate = { type: "regenerate", parts: [] } as const;
  await talk.ended(await talk.start(session, "step:regenerate:2:max_tokens", regenerate));
  await talk.rename(session);
  const more = { type: "continue", parts: [] } as const;
  await talk.ended(await talk.start(session, "step:continue:2:stop", more));
  const cancelled = await talk.start(session, "step:cancelled:1:hang");
  await talk.chunk("step:cancelled:1:hang", 1);
  await talk.cancel(cancelled);

  const doomed = await talk.open();
  await talk.start(doomed, "step:doomed:1:hang");
  await talk.chunk("step:doomed:1:hang", 1);
  await talk.start(doomed, "step:doomed-queued:1:stop");
  await talk.remove(doomed);
}

function questionOf(event: Event | undefined): string {
  assert.ok(
    event && "userMessage" in event && event.userMessage,
    "a first event with its question",
  );
  return event.userMessage.messageId;
}

/** A talk with an engine of this process. What is not yet seen is waited for, and so each step has its time. */
export function createTalk(engine: Engine, journal: Journal): Talk {
  const call = createCall();
  const seen: Event[] = [];
  const modelOf = new Map<string, string>();
  const waiting = new Set<() => void>();

  const watch = async (sessionId: string) => {
    const request = watchRequest({ sessionId });
    for await (const item of engine.watchSession(localCaller, request, call)) {
      if (item.type === "live_update") continue;
      journal.write({ type: "seen", sessionId, event: item });
      seen.push(item);
      if (item.type === "status") modelOf.set(item.turnId, item.model);
      for (const look of waiting) look();
    }
  };
  const until = (isSo: () => boolean) => {
    if (isSo()) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (!isSo()) return;
      waiting.delete(look);
      resolve();
    };
    waiting.add(look);
    return promise;
  };

  return {
    async open() {
      const { sessionId } = await engine.createSession(localCaller, newSession());
      journal.write({ type: "session", sessionId });
      // It ends when the session is deleted, or with the process.
      watch(sessionId).catch(() => undefined);
      return sessionId;
    },
    async start(sessionId, modelId, given = {}) {
      const asked = { parts: [textPart(`ask ${modelId}`)], requestId: modelId, modelId, sessionId };
      const request = turnRequest({ onDisconnect: "continue", ...asked, ...given });
      journal.write({ type: "asked", request });
      const turn = await engine.startTurn(localCaller, request, call);
      journal.write({ type: "started", requestId: modelId, turnId: turn.turnId });
      return turn;
    },
    chunk: (modelId, number) =>
      until(() =>
        seen.some(
          (event) =>
            event.type === "chunk" &&
            event.number === number &&
            modelOf.get(event.turnId) === modelId,
        ),
      ),
    async ended({ turnId }) {
      const events = () => seen.filter((event) => event.turnId === turnId);
      await until(() => events().some(({ type }) => type === "end"));
      return events();
    },
    async cancel({ sessionId, turnId }) {
      const request = { sessionId, turnId, requestId: "" };
      const { cancelled } = await engine.cancelTurn(anonymous, request);
      assert.ok(cancelled);
      journal.write({ type: "cancelled", turnId });
    },
    async rename(sessionId) {
      await engine.updateSession(anonymous, sessionId, { title: "Renamed" }, "");
    },
    async remove(sessionId) {
      await engine.deleteSession(anonymous, sessionId);
      journal.write({ type: "deleted", sessionId });
    },
  };
}
