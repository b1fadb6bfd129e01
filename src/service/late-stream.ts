import { ChatError } from "../chat/errors.ts";
import { untilAborted } from "./until-aborted.ts";

/** How long a stream that the server has no room for may take to say what it is for, milliseconds. */
const firstRequestMs = 5_000;

/**
 * A Chat stream that was opened while the server takes no new streams: it may be there to cancel a turn, or to
 * send a request again, which is never refused, and only its requests tell. The first that asks for something
 * new ends it.
 */
export interface LateStream {
  /** The requests; throws SERVER_BUSY when none has come within 5 s. */
  requests<T>(source: AsyncIterable<T>): AsyncIterable<T>;
  /** The stream asks for something new, other than a turn. Throws SERVER_BUSY. */
  refuseNew(): void;
  /** The stream has a turn to read, and goes on as any other. */
  accept(): void;
  /** Whether any refusal ends the stream. */
  isLate(): boolean;
}

/** Asks `admitStream` once: a stream that comes in time is refused nothing here. */
export function createLateStream(admitStream: () => void): LateStream {
  const busy = refusalOf(admitStream);
  let isLate = busy !== undefined;
  return {
    requests: (source) => (busy ? firstWithin(source, firstRequestMs, busy) : source),
    refuseNew() {
      if (isLate) admitStream();
    },
    accept() {
      isLate = false;
    },
    isLate: () => isLate,
  };
}

function refusalOf(admitStream: () => void): ChatError | undefined {
  try {
    admitStream();
    return undefined;
  } catch (error) {
    if (error instanceof ChatError) return error;
    throw error;
  }
}

/** The source's values; throws `late` when the first has not come in time. */
async function* firstWithin<T>(
  source: AsyncIterable<T>,
  ms: number,
  late: ChatError,
): AsyncGenerator<T> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(late), ms).unref();
  try {
    for await (const value of untilAborted(source, timeout.signal)) {
      clearTimeout(timer);
      yield value;
    }
  } finally {
    clearTimeout(timer);
  }
}
