import assert from "node:assert/strict";
import diagnostics from "node:diagnostics_channel";
import type { ClientRequest, OutgoingHttpHeaders } from "node:http";
import { type TestContext, test } from "node:test";
import { request, startApp } from "../support/app.ts";
import { connectLane, lanes } from "../support/lanes.ts";

const connectLanes = lanes.filter(({ protocol }) => protocol === "connect");

for (const lane of connectLanes) {
  test(`RPCs that only read can be called by GET (${lane.name})`, async (t) => {
    const app = await startApp(t, { tls: lane.tls });
    const { chat } = connectLane(app, lane, { useHttpGet: true });
    const methods = noteMethods(t);
    const { sessionId } = await chat.createSession({});
    await chat.getSessionInfo({ sessionId });
    await chat.listSessions({});
    await chat.listMessages({ sessionId });
    await chat.getServerStats({});
    await chat.listModels({});
    await chat.health({});
    assert.deepEqual([...methods], ["POST", "GET", "GET", "GET", "GET", "GET", "GET"]);
  });
}

/** The method of each request of the test, as Node sends it. */
function noteMethods(t: TestContext): string[] {
  const methods: string[] = [];
  // Node tells of a request without a body twice.
  const told = new Set<ClientRequest>();
  const onHttp1 = (message: unknown) => {
    const { request: started } = message as { request: ClientRequest };
    if (!told.has(started)) methods.push(started.method);
    told.add(started);
  };
  const onHttp2 = (message: unknown) => {
    const { headers } = message as { headers: OutgoingHttpHeaders };
    methods.push(String(headers[":method"]));
  };
  diagnostics.subscribe("http.client.request.start", onHttp1);
  diagnostics.subscribe("http2.client.stream.created", onHttp2);
  t.after(() => {
    diagnostics.unsubscribe("http.client.request.start", onHttp1);
    diagnostics.unsubscribe("http2.client.stream.created", onHttp2);
  });
  return methods;
}

test("a link is enough to read, and no link can change anything", async (t) => {
  const app = await startApp(t);
  const query = "connect=v1&encoding=json&message=%7B%7D";
  const read = await request(app, { path: `/chat.ChatService/ListModels?${query}` });
  assert.equal(read.status, 200);
  assert.equal(JSON.parse(read.body).models[0].modelId, "eliza");
  for (const rpc of ["CreateSession", "DeleteSession", "SendMessage", "CancelTurn"]) {
    const { status, body } = await request(app, { path: `/chat.ChatService/${rpc}?${query}` });
    assert.equal(status, 405, rpc);
    assert.match(JSON.parse(body).message, /content-type: application\/json/);
  }
  const listed = await request(app, { path: `/chat.ChatService/ListSessions?${query}` });
  assert.equal(JSON.parse(listed.body).activeSessions ?? 0, 0);
});
