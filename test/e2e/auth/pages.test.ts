import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Health } from "../../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { callJson, request, startApp } from "../../support/app.ts";
import { bearer, startAuthApp } from "../../support/auth.ts";
import { connectLane, plainLanes } from "../../support/lanes.ts";
import { collect } from "../../support/wire.ts";

test("/metrics needs the scope, and says how to show it", async (t) => {
  const app = await startAuthApp(t);
  const get = (headers: Record<string, string> = {}) => request(app, { path: "/metrics", headers });
  const missing = await get();
  assert.equal(missing.status, 401);
  assert.equal(missing.headers["www-authenticate"], 'Bearer realm="chatwire"');
  assert.equal((await get({ authorization: "Bearer x" })).status, 401);
  const refused = await get(bearer(app.alice));
  assert.deepEqual([refused.status, refused.headers["www-authenticate"]], [403, undefined]);
  for (const { body } of [missing, refused]) assert.doesNotMatch(body, /chatwire_/);
  const { status, body } = await get(bearer(app.operator));
  assert.equal(status, 200);
  assert.match(body, /^chatwire_/m);
});

test("without keys /metrics is open, as before", async (t) => {
  assert.equal((await request(await startApp(t), { path: "/metrics" })).status, 200);
});

test("probes and the first page need no key", async (t) => {
  const app = await startAuthApp(t);
  for (const path of ["/healthz", "/readyz", "/"]) {
    assert.equal((await request(app, { path })).status, 200, path);
  }
});

for (const lane of plainLanes) {
  test(`health and reflection need no key, whatever is sent (${lane.name})`, async (t) => {
    const app = await startAuthApp(t);
    const { transport } = connectLane(app, lane);
    const health = createClient(Health, transport);
    for (const headers of [{}, { authorization: "Bearer x" }]) {
      assert.equal((await health.check({ service: "" }, { headers })).status, 1);
      assert.ok("" in (await health.list({}, { headers })).statuses);
    }
    if (lane.protocol !== "grpc") return;
    const reflection = createClient(ServerReflection, transport);
    const ask = async function* () {
      yield { messageRequest: { case: "listServices", value: "" } } as const;
    };
    const [answer] = await collect(reflection.serverReflectionInfo(ask()));
    assert.equal(answer?.messageResponse.case, "listServicesResponse");
  });
}

const origin = "https://app.example";
const path = "/chat.ChatService/SendMessage";

const preflight = {
  origin,
  "access-control-request-method": "POST",
  "access-control-request-headers": "authorization,content-type,connect-protocol-version",
};

for (const host of ["localhost", "0.0.0.0"]) {
  test(`a page of CORS_ORIGINS calls with its key, HOST=${host}`, async (t) => {
    const app = await startAuthApp(t, { env: { CORS_ORIGINS: origin, HOST: host } });
    const { status, headers } = await request(app, { path, method: "OPTIONS", headers: preflight });
    assert.equal(status, 204, "a preflight carries no credentials");
    assert.equal(headers["access-control-allow-origin"], origin);
    assert.match(String(headers["access-control-allow-headers"]), /\bauthorization\b/i);
    const say = { message: "Hi", modelId: "scripted:say" };
    const answer = await callJson(app, "SendMessage", say, { origin, ...bearer(app.alice) });
    assert.deepEqual([answer.status, answer.json.text], [200, "Hi"]);
    assert.equal(answer.headers["access-control-allow-origin"], origin);
    const refused = await callJson(app, "SendMessage", say, { origin });
    assert.equal(refused.status, 401);
    // Without it the page would see a failed fetch, and not that its key is bad.
    assert.equal(refused.headers["access-control-allow-origin"], origin);
  });

  test(`a page of another origin is not let in by a key, HOST=${host}`, async (t) => {
    const app = await startAuthApp(t, { env: { CORS_ORIGINS: origin, HOST: host } });
    const evil = "https://evil.example";
    const asked = { ...preflight, origin: evil };
    const { headers } = await request(app, { path, method: "OPTIONS", headers: asked });
    assert.notEqual(headers["access-control-allow-origin"], evil);
    const answer = await callJson(app, "ListSessions", {}, { origin: evil, ...bearer(app.alice) });
    assert.notEqual(answer.headers["access-control-allow-origin"], evil);
    if (host === "localhost") assert.equal(answer.status, 403);
  });
}
