import type { Transport } from "@connectrpc/connect";
import type { ClientClock } from "./clock.ts";

/** One way to the service. All endpoints of a client reach the same sessions. */
export type Endpoint = {
  /** Its name in connection states; usually the base URL. */
  readonly name: string;
  readonly transport: Transport;
  /** Releases its connections; called once, by the client's close. */
  close?(): void;
};

/** Which endpoint to call: the one that worked last, until it fails or drains. */
export type Endpoints = {
  readonly count: number;
  /** The endpoint for the next attempt. */
  pick(): Endpoint;
  /** Prefers others for `ms` milliseconds, if there are any. */
  avoid(endpoint: Endpoint, ms: number): void;
  /** Whether another endpoint than this one is to be preferred now. */
  hasBetterThan(endpoint: Endpoint): boolean;
  close(): void;
};

/** Throws RangeError when the list is empty. The first endpoint is preferred until it fails. */
export function createEndpoints(all: readonly Endpoint[], clock: ClientClock): Endpoints {
  if (all.length === 0) throw new RangeError("a chat client needs at least one endpoint");
  const avoidedUntil = all.map(() => 0);
  let current = 0;

  function best(): number {
    const now = clock.now();
    let least = current;
    for (let step = 0; step < all.length; step += 1) {
      const index = (current + step) % all.length;
      const until = avoidedUntil[index] ?? 0;
      if (until <= now) return index;
      if (until < (avoidedUntil[least] ?? 0)) least = index;
    }
    return least;
  }

  return {
    count: all.length,
    pick() {
      current = best();
      return all[current] as Endpoint;
    },
    avoid(endpoint, ms) {
      avoidedUntil[all.indexOf(endpoint)] = clock.now() + ms;
    },
    hasBetterThan: (endpoint) => {
      const index = best();
      return all[index] !== endpoint && (avoidedUntil[index] ?? 0) <= clock.now();
    },
    close() {
      for (const endpoint of all) endpoint.close?.();
    },
  };
}
