import type { Health } from "./health.ts";

export type StorageHealthOptions = {
  /** Throws where the storage cannot be read, or takes no writes as far as is known. */
  check: () => Promise<void>;
  health: Pick<Health, "setAllServing">;
  /** While it holds, health says what the drain has set. */
  isDraining: () => boolean;
  /** Told when that changes: the reason, or undefined when it is over. */
  onChange: (reason: unknown) => void;
  /** How often it is looked at, milliseconds. */
  everyMs?: number;
};

/**
 * Has grpc.health.v1 say NOT_SERVING while the storage fails, as `/readyz` does, so that load balancers send
 * calls elsewhere. What is returned ends the watch.
 */
export function watchStorageHealth(options: StorageHealthOptions): () => void {
  const { check, health, isDraining, onChange, everyMs = 2_000 } = options;
  let isServing = true;
  const look = async (): Promise<void> => {
    const reason = await check().then(
      () => undefined,
      (error: unknown) => error ?? "unknown",
    );
    if (isDraining() || isServing === (reason === undefined)) return;
    isServing = reason === undefined;
    health.setAllServing(isServing);
    onChange(reason);
  };
  // A look may take longer than the pause between two.
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    void look().finally(() => {
      isLooking = false;
    });
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
