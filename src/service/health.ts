import { EventEmitter, once } from "node:events";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { ChatError } from "../chat/errors.ts";
import {
  type HealthCheckRequest,
  type HealthCheckResponseSchema,
  type Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from "../gen/grpc/health/v1/health_pb.ts";
import { toConnectError } from "./convert-errors.ts";

/** grpc.health.v1, for orchestrators and load balancers, with the switches that set what it tells. */
export type Health = {
  service: ServiceImpl<typeof HealthService>;
  /**
   * Says whether a service serves; its watchers are told if that is a change. The empty name is the
   * server as a whole, and is independent of the others. A name that was not known becomes known.
   */
  setServing(service: string, serving: boolean): void;
  /** The same for every known service and the server as a whole: false is how a drain begins. */
  setAllServing(serving: boolean): void;
};

/** The server as a whole. */
const overall = "";

/**
 * Health of the named services (`chat.ChatService`) and of the server as a whole. All serve until told
 * otherwise: a server that can be asked is up.
 */
export function createHealth(options: { services: readonly string[] }): Health {
  const statuses = new Map<string, Status>();
  const changes = new EventEmitter();
  // One listener a watcher; the bound is on streams, not here.
  changes.setMaxListeners(0);

  const setAll = (services: Iterable<string>, serving: boolean) => {
    for (const service of services) {
      statuses.set(service, serving ? Status.SERVING : Status.NOT_SERVING);
    }
    changes.emit("change");
  };
  setAll([overall, ...options.services], true);

  return {
    service: {
      check: ({ service }) => ({ status: known(statuses, service) }),
      list: () => ({
        statuses: Object.fromEntries([...statuses].map(([name, status]) => [name, { status }])),
      }),
      watch: (request, context) => watch(statuses, changes, request, context),
    },
    setServing: (service, serving) => setAll([service], serving),
    setAllServing: (serving) => setAll([...statuses.keys()], serving),
  };
}

function known(statuses: ReadonlyMap<string, Status>, service: string): Status {
  const status = statuses.get(service);
  if (status === undefined) {
    const name = service.slice(0, 100);
    const message = `there is no service "${name}"`;
    throw toConnectError(new ChatError("not_found", "SERVICE_UNKNOWN", message));
  }
  return status;
}

/**
 * The status now, then each change until the call's signal aborts; a watcher that reads slowly is told the
 * latest. It listens only while it waits: a generator whose HTTP/2 stream dies in a blocked write is never
 * resumed, and so must hold nothing.
 */
async function* watch(
  statuses: ReadonlyMap<string, Status>,
  changes: EventEmitter,
  { service }: HealthCheckRequest,
  { signal }: Pick<HandlerContext, "signal">,
): AsyncGenerator<MessageInitShape<typeof HealthCheckResponseSchema>> {
  let told: Status | undefined;
  for (;;) {
    signal.throwIfAborted();
    const status = statuses.get(service) ?? Status.SERVICE_UNKNOWN;
    if (status !== told) {
      told = status;
      yield { status };
    } else {
      await once(changes, "change", { signal }).catch((error: unknown) => {
        // The signal's own reason has the code with which the call ends.
        signal.throwIfAborted();
        throw error;
      });
    }
  }
}
