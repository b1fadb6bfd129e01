import assert from "node:assert/strict";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { connectTcp, readAll, readUntil, startListener, until } from "../../support/listener.ts";

/** A request, pipelined as often as a test wants; without a body. */
function get(path: string, header = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${header}\r\n`;
}

/** A listener whose answers are the test's to give, in the order of the requests. */
async function startHolding(t: TestContext, connectionStreamsMax = 250) {
  const seen: { url: string | undefined; response: Writable }[] = [];
  const started = await startListener(t, {
    limits: { connectionStreamsMax },
    handler: (request, response) => void seen.push({ url: request.url, response }),
  });
  const socket = await connectTcp(t, started.port);
  return { ...started, seen, socket, urls: () => seen.map(({ url }) => url) };
}

test("answers pipelined requests in their order", async (t) => {
  const { socket, seen, urls } = await startHolding(t);
  socket.write(get("/1") + get("/2"));
  await until(() => seen.length === 2);
  const answers = readUntil(socket, "two");
  seen[1]?.response.end("two");
  seen[0]?.response.end("one");
  assert.match(await answers, /one[\s\S]*two/);
  assert.deepEqual(urls(), ["/1", "/2"]);
});

test("a drain has the last of the pipelined answers close the connection", async (t) => {
  const { listener, socket, seen, urls } = await startHolding(t);
  socket.write(get("/1") + get("/2"));
  await until(() => seen.length === 2);
  listener.drain();
  const answers = readAll(socket);
  socket.write(get("/3"));
  for (const { response } of seen) response.end("answer");
  const [first = "", second = ""] = (await answers).split("HTTP/1.1 200 OK").slice(1);
  assert.match(first, /Connection: keep-alive/);
  assert.match(second, /Connection: close/);
  assert.deepEqual(urls(), ["/1", "/2"], "what comes after it is not acted on");
});

test("acts on nothing that comes after a request that is refused", async (t) => {
  const { port, urls } = await startHolding(t);
  for (const [bad, status] of [
    [get("/bad", "Host: other.example\r\n"), 400],
    [get("http://other.example/bad"), 400],
    [`${get("/bad", "Transfer-Encoding: identity, chunked\r\n")}0\r\n\r\n`, 501],
    [get("/bad").replace("HTTP/1.1", "HTTP/2.0"), 505],
  ] as const) {
    const socket = await connectTcp(t, port);
    const answer = readAll(socket);
    socket.write(`${bad}${get("/smuggled")}`);
    const text = await answer;
    assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(text, /Connection: close/);
  }
  assert.deepEqual(urls(), []);
});

test("takes the absolute form of its own host, as proxies write it", async (t) => {
  const { socket, seen, urls } = await startHolding(t);
  socket.write(get("http://LOCALHOST/1"));
  await until(() => seen.length === 1);
  assert.deepEqual(urls(), ["http://LOCALHOST/1"]);
  seen[0]?.response.end();
});

test("ends a connection with more open requests than one may have", async (t) => {
  const { listener, socket, seen } = await startHolding(t, 3);
  socket.write(get("/").repeat(3));
  await until(() => seen.length === 3);
  assert.equal(listener.connections().http1Requests, 3);
  const closed = once(socket, "close");
  socket.write(get("/").repeat(2));
  await closed;
  assert.equal(seen.length, 3);
  await until(() => listener.connections().http1Requests === 0);
});
