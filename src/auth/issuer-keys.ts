import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
  type RemoteJWKSet,
} from "jose";
import { authUnavailable } from "./refusal.ts";

/** How the issuer's keys are asked for: the standard fetch, or one that knows about proxies. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Older than this, the keys are fetched again while the old ones go on to serve, milliseconds. */
export const refreshAfterMs = 5 * 60_000;
/** Older than this, a call waits for the fetch, unless the last one failed, milliseconds. */
export const staleAfterMs = 10 * 60_000;
/** After a fetch no other is made for a key that the issuer does not have, milliseconds. */
export const cooldownMs = 30_000;
/** After a fetch that failed none is made for so long, milliseconds. */
export const failurePauseMs = 10_000;
const fetchTimeoutMsDefault = 5_000;
const bytesMax = 1024 * 1024;

export type IssuerKeysOptions = {
  /** Where the issuer publishes its keys (RFC 7517): http or https. */
  readonly url: URL;
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number;
  readonly fetch?: Fetch | undefined;
  /** How long a fetch may take, its body included, milliseconds; 5,000 unless given. */
  readonly fetchTimeoutMs?: number | undefined;
  /** Told once for each time that the issuer stops answering. */
  readonly onProblem: (message: string) => void;
  /** Called when the set of keys is another: what was verified with the old one may no longer hold. */
  readonly onChange: () => void;
};

/** The issuer's public keys, fetched when needed and kept. */
export type IssuerKeys = {
  /**
   * The key that a token names. Throws jose's errors where there is none or more than one, and ChatError
   * AUTH_UNAVAILABLE when the issuer had to be asked and did not answer. A key that is held serves on while the
   * issuer is away.
   */
  find(header: JWSHeaderParameters, token: FlattenedJWSInput): ReturnType<RemoteJWKSet>;
  /** Whether the keys are recent enough for what was verified with them; fetches again in good time. */
  isFresh(): boolean;
  /** Fetches the keys, unless that is under way. Never rejects: `find` and `onProblem` tell of a failure. */
  refresh(): Promise<void>;
  /** Ends a fetch under way; none is made afterwards. Repeating it does nothing. */
  close(): void;
};

/**
 * Follows the key set of one issuer. jose fetches, checks and selects; when to fetch is decided here, because its
 * own rules forget a set that is 10 minutes old although the issuer is down, and know no pause after a failure.
 * Nobody can make us ask the issuer more often than once in 10 s, whatever keys their tokens name.
 */
export function createIssuerKeys(options: IssuerKeysOptions): IssuerKeys {
  const { now, onProblem } = options;
  const closing = new AbortController();
  const remote = createRemoteJWKSet(options.url, {
    cacheMaxAge: Number.POSITIVE_INFINITY,
    cooldownDuration: Number.POSITIVE_INFINITY,
    timeoutDuration: options.fetchTimeoutMs ?? fetchTimeoutMsDefault,
    [customFetch]: boundedFetch(options.fetch ?? fetch, closing.signal),
  });
  let content = "";
  let fetchedAt: number | undefined;
  let failure: { readonly at: number; readonly cause: unknown } | undefined;
  let fetching: Promise<void> | undefined;

  /** Whether less than `ms` have passed; a clock that was set back makes nothing last longer. */
  function isWithin(ms: number, since: number | undefined): boolean {
    if (since === undefined) return false;
    const passedMs = now() - since;
    return passedMs >= 0 && passedMs < ms;
  }

  async function fetchKeys(): Promise<void> {
    try {
      await remote.reload();
      fetchedAt = now();
      failure = undefined;
      const fetched = JSON.stringify(remote.jwks());
      if (fetched !== content) options.onChange();
      content = fetched;
    } catch (cause) {
      if (failure === undefined && !closing.signal.aborted) {
        const held = fetchedAt === undefined ? "" : "; those fetched before go on to count";
        onProblem(`the keys of ${shown(options.url)} cannot be had: ${describe(cause)}${held}`);
      }
      failure = { at: now(), cause };
    }
  }

  async function refresh(): Promise<void> {
    if (closing.signal.aborted) return;
    fetching ??= fetchKeys().finally(() => {
      fetching = undefined;
    });
    await fetching;
  }

  const isPaused = () => failure !== undefined && isWithin(failurePauseMs, failure.at);

  function unavailable() {
    const pauseMs = failure === undefined ? failurePauseMs : failure.at + failurePauseMs - now();
    const retryAfterMs = Math.min(Math.max(pauseMs, 1), failurePauseMs);
    return authUnavailable(retryAfterMs, failure?.cause);
  }

  return {
    async find(header, token) {
      if (fetchedAt === undefined) {
        if (!isPaused()) await refresh();
        if (fetchedAt === undefined) throw unavailable();
      } else if (!isWithin(staleAfterMs, fetchedAt) && !isPaused()) {
        const refreshed = refresh();
        if (failure === undefined) await refreshed;
      }
      try {
        return await remote(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        if (isWithin(cooldownMs, fetchedAt)) throw error;
        if (!isPaused()) await refresh();
        if (failure !== undefined) throw unavailable();
        return remote(header, token);
      }
    },
    isFresh() {
      if (!isWithin(refreshAfterMs, fetchedAt) && !isPaused()) void refresh();
      return isWithin(staleAfterMs, fetchedAt);
    },
    refresh,
    close: () => closing.abort(),
  };
}

/**
 * A fetch that reads at most 1 MiB and ends with the server. Redirects are not followed (jose asks for `manual`
 * and refuses any status but 200), so that the issuer's host cannot send us elsewhere.
 */
function boundedFetch(send: Fetch, closing: AbortSignal): Fetch {
  return async (url, init) => {
    const signal = init.signal ? AbortSignal.any([init.signal, closing]) : closing;
    const response = await send(url, { ...init, signal });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`it answers with status ${response.status}`);
    }
    return new Response(await readBody(response));
  };
}

async function readBody(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = "";
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    if (bytes > bytesMax) throw new Error(`its answer is larger than ${bytesMax} bytes`);
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

/** The URL without what may be a secret. */
function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** A failed fetch hides its reason in the cause, which may have a code alone. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  return `${error.message} (${cause.message || (cause as NodeJS.ErrnoException).code})`;
}
