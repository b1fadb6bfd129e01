import assert from "node:assert/strict";
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import os from "node:os";
import { type TestContext, test } from "node:test";
import {
  addressesOf,
  bindAll,
  closeServer,
  ListenError,
  urlsOf,
} from "../../../src/listener/bind.ts";
import { createListener } from "../../../src/listener/listener.ts";
import { answerOk, silentLog, startListener } from "../../support/listener.ts";

const hasIpv6Loopback = Object.values(os.networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

async function occupy(t: TestContext, host: string): Promise<number> {
  const server = net.createServer();
  t.after(() => server.close());
  server.listen({ host, port: 0 });
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test("HOST localhost is both loopback addresses on one free port", {
  skip: !hasIpv6Loopback,
}, async (t) => {
  const { port, urls } = await startListener(t, { host: "localhost" });
  assert.deepEqual(urls, [`http://localhost:${port}`]);
  for (const host of ["127.0.0.1", "[::1]", "localhost"]) {
    assert.equal(await (await fetch(`http://${host}:${port}/`)).text(), "ok 1.1", host);
  }
});

test("another HOST is listened on alone", () => {
  assert.deepEqual(addressesOf("LOCALHOST"), ["127.0.0.1", "::1"]);
  for (const host of ["127.0.0.1", "::1", "0.0.0.0", "chat.example"]) {
    assert.deepEqual(addressesOf(host), [host]);
  }
});

test("leaves out a further address that the machine does not have", async () => {
  // 2001:db8::/32 is for documentation (RFC 3849): no machine has it.
  const { servers } = await bindAll(["127.0.0.1", "2001:db8::1"], 0, (socket) => socket.destroy());
  assert.equal(servers.length, 1);
  await Promise.all(servers.map(closeServer));
});

test("tells code, host and port of a taken port, and can then listen on another", async (t) => {
  const taken = await occupy(t, "127.0.0.1");
  const listener = createListener({ handler: answerOk, log: silentLog() });
  t.after(() => listener.close({ graceMs: 0 }));
  await assert.rejects(listener.listen({ host: "localhost", port: taken }), (error) => {
    assert.ok(error instanceof ListenError);
    assert.deepEqual(
      { code: error.code, host: error.host, port: error.port },
      { code: "EADDRINUSE", host: "localhost", port: taken },
    );
    return true;
  });
  const { port } = await listener.listen({ host: "localhost", port: 0 });
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "ok 1.1");
});

test("holds no port when only one of the addresses is taken", {
  skip: !hasIpv6Loopback,
}, async (t) => {
  const both = ["127.0.0.1", "::1"] as const;
  const { servers, port } = await bindAll(both, 0, () => {});
  t.after(() => Promise.all(servers.map(closeServer)));
  const [ipv4] = servers;
  assert.ok(ipv4);
  await closeServer(ipv4);
  await assert.rejects(
    bindAll(both, port, () => {}),
    { code: "EADDRINUSE" },
  );
  const again = await bindAll(["127.0.0.1"], port, () => {});
  await Promise.all(again.servers.map(closeServer));
});

test("a host that does not exist is an error that names it", async () => {
  const listener = createListener({ handler: answerOk, log: silentLog() });
  await assert.rejects(listener.listen({ host: "2001:db8::1", port: 0 }), {
    name: "ListenError",
    host: "2001:db8::1",
  });
});

test("URLs put IPv6 in brackets and name a wildcard's machine", () => {
  assert.deepEqual(urlsOf("https", "::1", 50051), ["https://[::1]:50051"]);
  const [first, ...others] = urlsOf("http", "0.0.0.0", 50051);
  assert.equal(first, "http://localhost:50051");
  for (const url of others) assert.match(url, /^http:\/\/\d+\.\d+\.\d+\.\d+:50051$/);
});
