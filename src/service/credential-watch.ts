import type { Identity } from "../auth/authenticator.ts";
import { ChatError } from "../chat/errors.ts";
import { toConnectError } from "./convert-errors.ts";

/** Ends streams whose credential has expired or was revoked; their turns follow `on_disconnect`. */
export interface CredentialWatch {
  /** Calls `end` with UNAUTHENTICATED once the identity is no longer valid, unless the signal has aborted. */
  watch(identity: Identity, end: (reason: unknown) => void, signal: AbortSignal): void;
  close(): void;
}

/** A stream outlives its credential by no more than this and the time that a keys file takes to be noticed. */
const intervalMs = 15_000;

export type CredentialWatchOptions = {
  /** How often each watched credential is looked at, milliseconds. Default 15,000. */
  everyMs?: number | undefined;
};

export function createCredentialWatch({
  everyMs = intervalMs,
}: CredentialWatchOptions = {}): CredentialWatch {
  const watched = new Map<object, { identity: Identity; end: (reason: unknown) => void }>();
  const check = () => {
    for (const [key, { identity, end }] of watched) {
      if (identity.isValid()) continue;
      watched.delete(key);
      end(toConnectError(credentialEnded()));
    }
  };
  const timer = setInterval(check, everyMs).unref();
  return {
    watch(identity, end, signal) {
      if (identity.method === "anonymous" || signal.aborted) return;
      const key = {};
      watched.set(key, { identity, end });
      signal.addEventListener("abort", () => watched.delete(key), { once: true });
    },
    close: () => clearInterval(timer),
  };
}

function credentialEnded(): ChatError {
  const text = "the credential of this stream is no longer valid; come back with another one";
  return new ChatError("unauthenticated", "UNAUTHENTICATED", text);
}
