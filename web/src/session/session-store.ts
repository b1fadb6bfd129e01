import { Code, ConnectError } from "@connectrpc/connect";
import type { ChatClient, ConnectionChange, SessionItem } from "../../../src/client/client.ts";
import type { ChatResponse, SessionInfoResponse } from "../../../src/gen/chat/chat_pb.ts";
import { createObservable, type Observable, type Settable } from "../client/observable.ts";
import { applyEvent } from "./apply-event.ts";
import { type LatestEnd, latestEndOf, withLatestEnd } from "./latest-end.ts";
import {
  emptyView,
  prependOlder,
  type SessionView,
  viewOfListing,
  withRunningTurn,
} from "./session-view.ts";
import type { StreamReader } from "./tab-stream.ts";

/** A session as the page has it. `gone`: there is none (any more). `failed`: it could not be read. */
export type SessionState = {
  readonly status: "loading" | "ready" | "gone" | "failed";
  readonly view: SessionView;
  /** Its title and settings; undefined before they are read. */
  readonly info: SessionInfoResponse | undefined;
  readonly error: unknown;
  readonly isLoadingOlder: boolean;
};

/** One session: what is known of it, and how it is kept so. */
export interface SessionStore {
  readonly sessionId: string;
  readonly state: Observable<SessionState>;
  /** Reads the session into `state`: its messages where it has none yet, then what happens. */
  readonly read: StreamReader;
  /** Reads the messages before the first; one page. */
  loadOlder(): Promise<void>;
  /** Reads the title and the settings again; changes that the stream tells of do so by themselves. */
  loadInfo(): Promise<void>;
  /** Forgets what it has; the next read begins anew. */
  reset(): void;
}

export type SessionStoreOptions = {
  chat: Pick<ChatClient, "session">;
  /** Calls back soon, once for all that was scheduled in between: before the next frame. */
  schedule: (callback: () => void) => void;
  onConnection: (change: ConnectionChange) => void;
  /** Told of the changes of the caller's session list. */
  onListChange: (change: ChatResponse | "list") => void;
};

/** Messages on a page. */
const pageSize = 50;

const loading: SessionState = {
  status: "loading",
  view: emptyView,
  info: undefined,
  error: undefined,
  isLoadingOlder: false,
};

/** Makes the store of one session; nothing is read before `read`. */
export function createSessionStore(sessionId: string, options: SessionStoreOptions): SessionStore {
  const { chat, onListChange } = options;
  const session = chat.session(sessionId);
  const state: Settable<SessionState> = createObservable(loading);
  /** From a listing on, until the stream has told what it leaves out; `told` is what came of that. */
  let latestEnd: LatestEnd | undefined;
  let told: ChatResponse[] = [];
  const patch = (to: Partial<SessionState>) => state.set({ ...state.get(), ...to });
  const batch = createBatch(options.schedule, (events) => {
    const { settingsChanges: before } = state.get().view;
    const view = events.reduce(applyEvent, state.get().view);
    patch({ view });
    if (view.settingsChanges !== before) void loadInfo();
  });

  async function load(signal: AbortSignal): Promise<void> {
    const listing = await session.listMessages({ newestFirst: true, pageSize }, { signal });
    const info = await session.getInfo({ signal });
    const listed = { ...listing, sequence: listing.lastSequence };
    const view = withRunningTurn(viewOfListing(listed), info);
    latestEnd = latestEndOf(listed);
    state.set({ ...loading, status: "ready", info, view: { ...view, isEndUnread: true } });
  }

  async function loadInfo(): Promise<void> {
    try {
      patch({ info: await session.getInfo() });
    } catch {
      // What is known of it stays.
    }
  }

  async function follow(signal: AbortSignal): Promise<void> {
    const { sequence, epoch: afterEpoch } = state.get().view;
    const afterSequence = latestEnd?.from ?? sequence;
    told = [];
    const watch = session.watch({
      afterSequence,
      afterEpoch,
      sessionList: true,
      reloadPageSize: pageSize,
      signal,
      onConnection: options.onConnection,
    });
    for await (const item of watch) take(item);
  }

  function take(item: SessionItem): void {
    if (item.type === "live") {
      readLatestEnd();
      onListChange("list");
    } else if (item.type === "reload") {
      batch.flush();
      latestEnd = undefined;
      patch({ view: viewOfListing(item) });
      void loadInfo();
    } else if (isOfList(item.event)) onListChange(item.event);
    else if (latestEnd !== undefined && isUpTo(latestEnd, item.event)) told.push(item.event);
    else {
      if (item.event.sequence > 0n) readLatestEnd();
      batch.add(item.event);
    }
  }

  /** What the listing leaves out is told, or will not be. */
  function readLatestEnd(): void {
    const { view } = state.get();
    if (latestEnd !== undefined) {
      patch({ view: { ...withLatestEnd(view, latestEnd, told), isEndUnread: false } });
    }
    latestEnd = undefined;
    told = [];
  }

  function fail(error: unknown): void {
    readLatestEnd();
    const isGone = ConnectError.from(error).code === Code.NotFound;
    patch({ status: isGone ? "gone" : "failed", error });
  }

  return {
    sessionId,
    state,
    async read(signal) {
      try {
        if (state.get().status !== "ready") await load(signal);
        await follow(signal);
        batch.flush();
        if (state.get().view.isDeleted) patch({ status: "gone" });
      } catch (error) {
        batch.flush();
        if (!signal.aborted) fail(error);
      }
    },
    async loadOlder() {
      const { view, isLoadingOlder } = state.get();
      if (view.olderToken === "" || isLoadingOlder) return;
      patch({ isLoadingOlder: true });
      try {
        const { olderToken: pageToken, epoch } = view;
        const page = await session.listMessages({ newestFirst: true, pageSize, pageToken });
        const { view: now } = state.get();
        if (now.epoch === epoch) patch({ view: prependOlder(now, page) });
      } catch {
        // They can be asked for again.
      } finally {
        patch({ isLoadingOlder: false });
      }
    },
    loadInfo,
    reset: () => state.set(loading),
  };
}

function isUpTo({ to }: LatestEnd, { sequence }: ChatResponse): boolean {
  return sequence > 0n && sequence <= to;
}

/** Unrecorded changes of the caller's list come on the same stream. */
function isOfList({ sequence, updateType }: ChatResponse): boolean {
  return sequence === 0n && updateType.startsWith("session_");
}

/** Gathers events, and hands them on together. */
function createBatch(
  schedule: (callback: () => void) => void,
  take: (events: readonly ChatResponse[]) => void,
) {
  let events: ChatResponse[] = [];
  const flush = () => {
    if (events.length === 0) return;
    const taken = events;
    events = [];
    take(taken);
  };
  return {
    add(event: ChatResponse) {
      if (events.push(event) === 1) schedule(flush);
    },
    flush,
  };
}
