import type { Clock } from "../chat/clock.ts";
import type { Event, NewEvent } from "../chat/event.ts";
import type { EventLog } from "../chat/event-log.ts";
import { logClosed } from "./errors.ts";
import { WindowReader, type WindowSource } from "./reader.ts";
import { restore, type SavedLog } from "./restore.ts";
import { Retention, type RetentionLimits } from "./retention.ts";
import type { ArchivedEvent, TickStorage } from "./tick.ts";
import { SessionWindow } from "./window.ts";
import { createTickWriter } from "./writer.ts";

export type EventLogOptions = RetentionLimits & { clock: Clock };

/** An event log whose background work can be waited for. */
export interface RetainedEventLog extends EventLog {
  /**
   * Removes what retention no longer keeps, from memory and disk. It runs by itself every second once
   * retention has begun, and tries again then what the storage refused. Rejects with STORAGE_UNAVAILABLE.
   */
  prune(): Promise<void>;
  /** How many recorded events the slowest open reader has still to take; for metrics. */
  readerLag(): number;
}

const pruneEveryMs = 1_000;
/** What pruning does before it lets others have the event loop: about a millisecond's work. */
const pruneSegmentsMax = 2_000;
const removeCountMax = 64;

/**
 * The part of an event log that its adapters share: every kept event in memory, where readers are served,
 * and behind it a storage that gets one tick after another. A session costs about 200 bytes for as long
 * as the log knows it, that is, until it is dropped.
 */
export async function createEventLog(
  storage: TickStorage,
  saved: SavedLog,
  { clock, ...limits }: EventLogOptions,
): Promise<RetainedEventLog> {
  const windows = new Map<string, SessionWindow>();
  const retention = new Retention(limits);
  const readers = new Set<WindowReader>();
  const lastTickId = await restore(saved, windows, retention);
  const writer = createTickWriter({ storage, windowOf, retention, clock, lastTickId });
  let closing: Promise<void> | undefined;
  let pruning: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  function windowOf(sessionId: string): SessionWindow {
    const known = windows.get(sessionId);
    if (known !== undefined) return known;
    const window = new SessionWindow({ sessionId, lastSequence: 0, fence: 0 });
    if (closing === undefined) windows.set(sessionId, window);
    else window.close();
    return window;
  }

  function sourceOf(sessionId: string): WindowSource {
    return {
      open(reader) {
        readers.add(reader);
        return windowOf(sessionId);
      },
      release(window, reader) {
        readers.delete(reader);
        if (window.isUnused && windows.get(sessionId) === window) windows.delete(sessionId);
      },
    };
  }

  async function pruneAll(): Promise<void> {
    while (retention.prune(clock.now(), pruneSegmentsMax)) await nextTurnOfTheLoop();
    for (;;) {
      const redundant = retention.redundant(removeCountMax);
      if (redundant === undefined) return;
      await storage.remove(redundant);
      retention.confirm(redundant);
    }
  }

  function prune(): Promise<void> {
    pruning ??= pruneAll().finally(() => {
      pruning = undefined;
    });
    return pruning;
  }

  async function startRetention(): Promise<void> {
    if (timer !== undefined || closing !== undefined) return;
    for (const window of windows.values()) window.releaseEnded();
    timer = setInterval(() => {
      // What the storage refuses stays redundant, and is tried again with the next.
      prune().catch(() => {});
    }, pruneEveryMs);
    timer.unref();
  }

  /** The archive is asked last: what leaves a window meanwhile is in hand already. */
  async function sessionEvents(sessionId: string, after: number, through: number) {
    const window = windows.get(sessionId);
    const kept = window?.sessionEvents(after, through) ?? [];
    const leaving = window === undefined ? [] : retention.unarchived(window).map(toEvent);
    const archived = await storage.archived(sessionId, after, through);
    const events = [...archived.map(toEvent), ...leaving, ...kept];
    const bySequence = new Map(events.map((event) => [event.sequence, event]));
    return Array.from(bySequence.values())
      .filter(({ sequence }) => sequence > after && sequence <= through)
      .sort((one, other) => one.sequence - other.sequence);
  }

  async function skipTo(sessionId: string, sequence: number): Promise<void> {
    const window = windowOf(sessionId);
    // What is being written has its sequences already.
    while (window.isStaged) await nextTurnOfTheLoop();
    if (window.closed || window.lastSequence >= sequence) return;
    window.skipTo(sequence);
    await storage.note({ sessionId, lastSequence: sequence, fence: window.fence });
  }

  async function close(): Promise<void> {
    clearInterval(timer);
    await Promise.allSettled([writer.finish(), pruning]);
    for (const window of windows.values()) window.close();
  }

  return {
    append: (batch) => (closing === undefined ? writer.append(batch) : Promise.reject(logClosed())),
    read: (sessionId, afterSequence, signal) =>
      new WindowReader(sourceOf(sessionId), afterSequence, signal),
    sessionEvents,
    floor: async (sessionId) => windows.get(sessionId)?.floor ?? 0,
    skipTo,
    release: async (sessionId, turnId) => windows.get(sessionId)?.release(turnId),
    startRetention,
    turnEvents: async (sessionId, turnId) => windows.get(sessionId)?.eventsOf(turnId) ?? [],
    lastSequence: async (sessionId) => windows.get(sessionId)?.lastSequence ?? 0,

    async drop(sessionId) {
      const window = windows.get(sessionId);
      windows.delete(sessionId);
      writer.forget(sessionId);
      if (window !== undefined) retention.forget(window, window.close());
      await storage.drop(sessionId, writer.lastTickId());
    },

    close() {
      closing ??= close();
      return closing;
    },
    prune,
    readerLag: () => readers.values().reduce((most, { lag }) => Math.max(most, lag), 0),
  };
}

function toEvent({ sequence, body }: ArchivedEvent): Event {
  const event: NewEvent = JSON.parse(body);
  return { ...event, sequence, turnId: "" };
}

function nextTurnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
