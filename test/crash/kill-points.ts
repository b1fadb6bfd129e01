import type { EventBatch, EventLog } from "../../src/chat/event-log.ts";
import type { Store } from "../../src/chat/store.ts";
import type { Storage } from "../../src/storage.ts";

/** The methods that change what is stored; between two of them, what a crash leaves behind is the same. */
const storeWrites: readonly (keyof Store)[] = [
  "createSession",
  "updateSession",
  "forkSession",
  "deleteSession",
  "createTurn",
  "acquireTurn",
  "withdrawTurn",
  "replaceMessages",
  "endTurn",
  "forgetDeleted",
  "raiseEpoch",
];
const logWrites: readonly (keyof EventLog)[] = ["append", "skipTo", "drop"];

/** Calls `onPoint` before each write, and after it, when it has resolved and nobody has been told. */
export function withKillPoints(storage: Storage, onPoint: (name: string) => void): Storage {
  return {
    ...storage,
    store: watchWrites(storage.store, storeWrites, onPoint),
    log: watchWrites(storage.log, logWrites, onPoint),
  };
}

function watchWrites<Port extends Store | EventLog>(
  port: Port,
  writes: readonly (keyof Port)[],
  onPoint: (name: string) => void,
): Port {
  return new Proxy(port, {
    get(target, name) {
      const method = Reflect.get(target, name) as unknown;
      if (typeof method !== "function" || !writes.includes(name as keyof Port)) return method;
      return async (...values: unknown[]) => {
        const step = `${String(name)} ${describe(values[0])}`;
        onPoint(`before ${step}`);
        const result: unknown = await Reflect.apply(method, target, values);
        onPoint(`after ${step}`);
        return result;
      };
    },
  });
}

/** What an append has, for people. */
function describe(value: unknown): string {
  if (typeof value !== "object" || value === null || !("events" in value)) return "";
  return (value as EventBatch).events.map(({ type }) => type).join("+");
}
