import assert from "node:assert/strict";
import { EventEmitter, getEventListeners, once } from "node:events";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createClient,
  createHandlerContext,
  createRouterTransport,
} from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import { service as healthDefinition } from "grpc-health-check";
import {
  HealthCheckRequestSchema,
  Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from "../../../src/gen/grpc/health/v1/health_pb.ts";
import { createHealth, type Health } from "../../../src/service/health.ts";
import { serveHttp2 } from "./serve-http2.ts";

const chat = "chat.ChatService";

describe("Check", () => {
  it("says that a service and the server as a whole serve until told otherwise", async () => {
    const { client } = withClient();
    assert.equal((await client.check({ service: chat })).status, Status.SERVING);
    assert.equal((await client.check({})).status, Status.SERVING);
  });

  it("refuses an unknown service with NOT_FOUND", async () => {
    const { client } = withClient();
    await assert.rejects(client.check({ service: "chat.Other" }), { code: Code.NotFound });
  });

  it("follows what is set, for one service or for all", async () => {
    const { client, health } = withClient();
    health.setServing(chat, false);
    assert.equal((await client.check({ service: chat })).status, Status.NOT_SERVING);
    assert.equal((await client.check({})).status, Status.SERVING);
    health.setAllServing(false);
    assert.equal((await client.check({})).status, Status.NOT_SERVING);
    health.setAllServing(true);
    assert.equal((await client.check({ service: chat })).status, Status.SERVING);
  });
});

it("List gives every service and the server as a whole", async () => {
  const { client, health } = withClient();
  health.setServing(chat, false);
  const { statuses } = await client.list({});
  assert.deepEqual(
    Object.entries(statuses).map(([name, { status }]) => [name, status]),
    [
      ["", Status.SERVING],
      [chat, Status.NOT_SERVING],
    ],
  );
});

describe("Watch", () => {
  it("tells the status at once and then each change, and nothing where nothing changes", async () => {
    const { client, health } = withClient();
    const leaving = new AbortController();
    const told = client
      .watch({ service: chat }, { signal: leaving.signal })
      [Symbol.asyncIterator]();
    assert.equal((await told.next()).value.status, Status.SERVING);
    const next = told.next();
    health.setServing(chat, true);
    health.setServing("", false);
    health.setServing(chat, false);
    assert.equal((await next).value.status, Status.NOT_SERVING);
    health.setAllServing(true);
    assert.equal((await told.next()).value.status, Status.SERVING);
    leaving.abort();
    await assert.rejects(told.next(), { code: Code.Canceled });
  });

  it("keeps the stream of an unknown service open until it becomes known", async () => {
    const health = createHealth({ services: [] });
    const { responses } = watchDirectly(health, "chat.Later");
    assert.deepEqual(await responses.next(), ofStatus(Status.SERVICE_UNKNOWN));
    const next = responses.next();
    health.setServing("chat.Later", true);
    assert.deepEqual(await next, ofStatus(Status.SERVING));
  });

  it("tells a slow reader the latest status", async () => {
    const health = createHealth({ services: [chat] });
    const { responses } = watchDirectly(health, chat);
    await responses.next();
    health.setServing(chat, false);
    health.setServing(chat, true);
    health.setServing(chat, false);
    assert.deepEqual(await responses.next(), ofStatus(Status.NOT_SERVING));
  });

  it("ends with the signal's reason while it waits, and leaves no listener", async (t) => {
    const health = createHealth({ services: [chat] });
    const changes = changesOf(t, health);
    const watchers = Array.from({ length: 20 }, () => watchDirectly(health, chat));
    await Promise.all(watchers.map(({ responses }) => responses.next()));
    const waiting = watchers.map(({ responses }) => responses.next());
    assert.equal(changes.listenerCount("change"), watchers.length);

    for (const { context } of watchers) {
      context.abort(new ConnectError("too late", Code.DeadlineExceeded));
    }
    for (const ended of waiting) await assert.rejects(ended, { code: Code.DeadlineExceeded });
    assert.equal(changes.listenerCount("change"), 0);
    for (const { context } of watchers) {
      assert.equal(getEventListeners(context.signal, "abort").length, 0);
    }
  });

  it("ends at once when the signal has aborted before", async () => {
    const { context, responses } = watchDirectly(createHealth({ services: [chat] }), chat);
    context.abort(new ConnectError("gone", Code.Canceled));
    await assert.rejects(responses.next(), { code: Code.Canceled });
  });

  it("holds nothing while its reader has not taken the last status", async (t) => {
    const health = createHealth({ services: [chat] });
    const changes = changesOf(t, health);
    const { context, responses } = watchDirectly(health, chat);
    const before = getEventListeners(context.signal, "abort").length;
    await responses.next();
    assert.equal(changes.listenerCount("change"), 0);
    assert.equal(getEventListeners(context.signal, "abort").length, before);
  });
});

it("the health client of grpc-js checks, watches and leaves over HTTP/2", async (t) => {
  const health = createHealth({ services: [chat] });
  const { authority } = await serveHttp2(t, (router) => {
    router.service(HealthService, health.service);
  });
  const Client = grpc.makeClientConstructor(healthDefinition, "Health");
  const client = new Client(authority, grpc.credentials.createInsecure());
  t.after(() => client.close());
  const check = (service: string) =>
    new Promise((resolve, reject) => {
      client.check?.({ service }, (error: grpc.ServiceError | null, response: unknown) =>
        error ? reject(error) : resolve(response),
      );
    });

  assert.deepEqual(await check(chat), { status: "SERVING" });
  await assert.rejects(check("chat.Other"), { code: grpc.status.NOT_FOUND });

  const watch: grpc.ClientReadableStream<unknown> = client.watch?.({ service: chat });
  assert.deepEqual(await once(watch, "data"), [{ status: "SERVING" }]);
  health.setAllServing(false);
  assert.deepEqual(await once(watch, "data"), [{ status: "NOT_SERVING" }]);
  watch.cancel();
  const [error] = await once(watch, "error");
  assert.equal(error.code, grpc.status.CANCELLED);
});

function withClient() {
  const health = createHealth({ services: [chat] });
  const transport = createRouterTransport((router) => {
    router.service(HealthService, health.service);
  });
  return { health, client: createClient(HealthService, transport) };
}

/** A Watch with its generator at hand, as a handler's caller has it. */
function watchDirectly(health: Health, service: string) {
  const context = createHandlerContext({
    service: HealthService,
    method: HealthService.method.watch,
    protocolName: "grpc",
    requestMethod: "POST",
    url: "http://localhost/grpc.health.v1.Health/Watch",
  });
  const request = create(HealthCheckRequestSchema, { service });
  const responses = health.service.watch(request, context)[Symbol.asyncIterator]();
  return { context, responses };
}

function ofStatus(status: Status) {
  return { done: false, value: { status } };
}

/** The emitter that the watchers listen to, caught at its next emit. */
function changesOf(t: TestContext, health: Health): EventEmitter {
  const emit = t.mock.method(EventEmitter.prototype, "emit");
  health.setServing("", true);
  const call = emit.mock.calls.find(({ arguments: [name] }) => name === "change");
  emit.mock.restore();
  assert.ok(call, "nothing was emitted");
  return call.this as EventEmitter;
}
