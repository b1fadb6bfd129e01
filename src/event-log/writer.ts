import type { Clock } from "../chat/clock.ts";
import { sessionNotFound } from "../chat/errors.ts";
import type { Appended, EventBatch } from "../chat/event-log.ts";
import type { Retention } from "./retention.ts";
import {
  joinParts,
  partBatch,
  partSeparator,
  serializePart,
  type Tick,
  type TickStorage,
} from "./tick.ts";
import type { SessionWindow, WindowPart, WindowTick } from "./window.ts";

/** Turns appends into ticks, one of them on its way at a time. */
export interface TickWriter {
  append(batch: EventBatch): Promise<Appended>;
  /** Refuses what is gathered of a session; what is being written of it is refused when it is. */
  forget(sessionId: string): void;
  /** Of the tick that was begun last. */
  lastTickId(): number;
  /** Waits for what was appended. */
  finish(): Promise<void>;
}

type Gathered = {
  batch: EventBatch;
  resolve: (appended: Appended) => void;
  reject: (error: unknown) => void;
};

/** An append in the tick that is being written; without a part it repeats one before it. */
type Staged = Gathered & {
  window: SessionWindow;
  place: Appended;
  part?: WindowPart;
  /** Characters of its JSON. */
  length: number;
};

type Options = {
  storage: TickStorage;
  windowOf: (sessionId: string) => SessionWindow;
  retention: Retention;
  clock: Clock;
  /** Ticks are numbered on from here. */
  lastTickId: number;
};

/**
 * While a tick is being written the next one gathers. Sequences are given when it leaves, and readers see
 * its events when it has been written; so a write that fails has given none.
 */
export function createTickWriter(options: Options): TickWriter {
  const { storage, windowOf, retention, clock } = options;
  let { lastTickId } = options;
  let gathered: Gathered[] = [];
  let staged: Staged[] = [];
  let bodies: string[] = [];
  let writing: Promise<void> | undefined;

  function take(): Tick | undefined {
    const entries = gathered;
    gathered = [];
    for (const entry of entries) stage(entry);
    if (bodies.length === 0) return undefined;
    lastTickId += 1;
    return { id: lastTickId, at: clock.now(), body: joinParts(bodies) };
  }

  function stage(entry: Gathered): void {
    const { batch, reject } = entry;
    const window = windowOf(batch.sessionId);
    const verdict = window.judge(batch);
    if ("refused" in verdict) {
      reject(verdict.refused);
    } else if ("repeated" in verdict) {
      staged.push({ ...entry, window, place: verdict.repeated, length: 0 });
    } else {
      stageNew(entry, window, verdict.accepted);
    }
  }

  function stageNew(entry: Gathered, window: SessionWindow, place: Appended): void {
    const { sessionId, turnId, fence, events } = entry.batch;
    const { firstSequence } = place;
    const highest = fence === 0 ? window.stagedFence : fence;
    const batch = partBatch(entry.batch);
    const part = { sessionId, turnId, fence: highest, batch, firstSequence, events };
    let body: string;
    try {
      body = serializePart(part);
    } catch (error) {
      entry.reject(error);
      return;
    }
    bodies.push(body);
    window.stage(part, place);
    staged.push({ ...entry, window, place, part, length: body.length });
  }

  function takeStaged(): Staged[] {
    const entries = staged;
    staged = [];
    bodies = [];
    for (const { window } of entries) window.unstage();
    return entries;
  }

  function commit({ id, at, body }: Tick): void {
    const entries = takeStaged();
    const tick: WindowTick = { id, at, body, segments: 0, windows: [] };
    let start = 0;
    for (const { batch, resolve, reject, window, place, part, length } of entries) {
      const end = start + length;
      if (window.closed) {
        reject(sessionNotFound(batch.sessionId));
      } else {
        if (part !== undefined) keep(window, part, tick, start, end);
        resolve(place);
      }
      if (part !== undefined) start = end + partSeparator.length;
    }
    retention.addTick(tick);
    for (const { window } of entries) window.wakeReaders();
  }

  function keep(
    window: SessionWindow,
    part: WindowPart,
    tick: WindowTick,
    start: number,
    end: number,
  ): void {
    window.commit(part, tick, start, end);
    retention.addSegment(window, tick, start, end);
  }

  /** A turn's later appends fail with the earlier one: what has a hole in it is not its text. */
  function fail(error: unknown): void {
    const entries = takeStaged();
    const turns = new Set(entries.map(({ batch }) => batch.turnId).filter((id) => id !== ""));
    refuse(({ turnId }) => turns.has(turnId), error);
    for (const { reject } of entries) reject(error);
  }

  function refuse(test: (batch: EventBatch) => boolean, error: unknown): void {
    const refused = gathered.filter(({ batch }) => test(batch));
    gathered = gathered.filter(({ batch }) => !test(batch));
    for (const { reject } of refused) reject(error);
  }

  async function write(): Promise<void> {
    while (gathered.length > 0) {
      let tick: Tick | undefined;
      let taken = false;
      try {
        await storage.write(() => {
          taken = true;
          tick = take();
          return tick;
        });
      } catch (error) {
        if (!taken) refuse(() => true, error);
        fail(error);
        continue;
      }
      if (tick !== undefined) commit(tick);
      else for (const { resolve, place } of takeStaged()) resolve(place);
    }
    writing = undefined;
  }

  return {
    append: (batch) =>
      new Promise((resolve, reject) => {
        gathered.push({ batch, resolve, reject });
        writing ??= write();
      }),
    forget(sessionId) {
      refuse((batch) => batch.sessionId === sessionId, sessionNotFound(sessionId));
    },
    lastTickId: () => lastTickId,
    finish: async () => {
      await writing;
    },
  };
}
