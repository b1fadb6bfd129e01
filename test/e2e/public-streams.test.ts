import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { bearer, startAuthApp } from "../support/auth.ts";
import { bidiLanes, binaryLanes, connectLane } from "../support/lanes.ts";
import { until } from "../support/listener.ts";
import { openStreamChat } from "../support/stream-call.ts";
import { assertError, failureOf } from "../support/wire.ts";

const streamsMax = 5;

for (const lane of binaryLanes) {
  test(`streams that need no credential have a ceiling of their own (${lane.name})`, async (t) => {
    const app = await startAuthApp(t, { env: { STREAMS_MAX: String(streamsMax) } });
    const { chat, transport } = connectLane(app, lane);
    const health = createClient(Health, transport);
    const leaving = new AbortController();
    app.defer(() => leaving.abort());
    const watch = (signal: AbortSignal) => health.watch({}, { signal })[Symbol.asyncIterator]();
    const open = Array.from({ length: streamsMax }, () => watch(leaving.signal));
    for (const one of open) assert.equal((await one.next()).value?.status, Status.SERVING);

    const refused = await failureOf(watch(leaving.signal).next());
    const { retryMs } = assertError(refused, Code.Unavailable, "SERVER_BUSY");
    assert.ok(retryMs && retryMs > 0);
    if (bidiLanes.includes(lane)) {
      const requests = createWritableIterable<object>();
      const reflection = createClient(ServerReflection, transport);
      const asked = reflection.serverReflectionInfo(requests, { signal: leaving.signal });
      const also = await failureOf(asked[Symbol.asyncIterator]().next());
      assertError(also, Code.Unavailable, "SERVER_BUSY");
    }
    // A probe is no stream, and who chats has room of their own.
    assert.equal((await health.check({})).status, Status.SERVING);
    const call = openStreamChat(
      chat,
      { message: "Hi", modelId: "scripted:3x1" },
      { headers: bearer(app.alice) },
    );
    assert.equal(await call.ended, undefined);

    leaving.abort();
    for (const one of open) await one.next().catch(() => undefined);
    const later = new AbortController();
    app.defer(() => later.abort());
    // The server learns in its own time that they are gone.
    await until(() =>
      watch(later.signal)
        .next()
        .then(
          ({ value }) => value?.status === Status.SERVING,
          () => false,
        ),
    );
    later.abort();
  });
}
