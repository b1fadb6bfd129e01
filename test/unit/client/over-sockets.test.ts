import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ChatClient } from "../../../src/client/client.ts";
import { createNodeChatClient, type NodeEndpointOptions } from "../../../src/client/node.ts";
import { createWebChatClient } from "../../../src/client/web.ts";
import { ChatResponse_Type as EventType } from "../../../src/gen/chat/chat_pb.ts";
import {
  type FakeChatServer,
  startFakeChatServer,
  startFreezingProxy,
} from "../../support/fake-chat-server.ts";
import { inWords, isEvent, takeUntil } from "./memory-client.ts";

const timeout = 30_000;
const retry = { delayMs: 1, delayMsMax: 20 };

type Lane = { name: string; httpVersion: "1.1" | "2"; open(baseUrls: string[]): ChatClient };

const nodeLane = (
  protocol: NonNullable<NodeEndpointOptions["protocol"]>,
  httpVersion: "1.1" | "2",
): Lane => ({
  name: `${protocol} over HTTP/${httpVersion}`,
  httpVersion,
  open: (baseUrls) => createNodeChatClient({ baseUrls, protocol, httpVersion, retry }),
});

const webLane = (protocol: "connect" | "grpc-web"): Lane => ({
  name: `${protocol} over fetch`,
  httpVersion: "1.1",
  open: (baseUrls) => createWebChatClient({ baseUrls, protocol, retry }),
});

const lanes = [
  nodeLane("grpc", "2"),
  nodeLane("grpc-web", "2"),
  nodeLane("connect", "2"),
  nodeLane("grpc-web", "1.1"),
  nodeLane("connect", "1.1"),
  webLane("connect"),
  webLane("grpc-web"),
];

async function start(t: TestContext, lane: Lane): Promise<FakeChatServer & { client: ChatClient }> {
  const server = await startFakeChatServer(t, lane.httpVersion);
  return { ...server, client: server.with(lane.open([server.url])) };
}

for (const lane of lanes) {
  test(`${lane.name}: a turn and a watch outlive their connections`, { timeout }, async (t) => {
    const { client, chat, cut } = await start(t, lane);
    const session = chat.openSession("s");
    const watch = client.session("s").watch();
    await takeUntil(watch, ({ type }) => type === "live");
    const turn = client.session("s").send("hi");
    let text = "";
    let cuts = 0;
    for await (const event of turn.events) {
      text += event.chunkText;
      const [running] = chat.turns.values();
      if (event.type === EventType.STATUS || event.type === EventType.CHUNK) {
        if (cuts < 3) cut();
        if (cuts++ < 3) running?.chunk(`${cuts} `);
        else running?.end();
      }
    }
    assert.equal(text, "1 2 3 ");
    assert.equal((await turn.result()).text, "1 2 3 ");
    assert.equal(chat.modelRuns.length, 1);
    const seen = await takeUntil(watch, isEvent(Number(session.lastSequence())));
    const sequences = seen.map(inWords).filter((word) => word !== "live");
    assert.deepEqual(
      sequences,
      session.log.map(({ sequence }) => String(sequence)),
    );
    await watch.return?.();
  });

  test(`${lane.name}: \`break\` ends the call on the server`, { timeout }, async (t) => {
    const { client, chat, replica } = await start(t, lane);
    chat.openSession("s");
    const left = Promise.withResolvers<void>();
    replica.before = ({ method }, { signal }) => {
      if (method === "watchSession") signal.addEventListener("abort", () => left.resolve());
    };
    for await (const item of client.session("s").watch()) if (item.type === "live") break;
    await left.promise;
    assert.equal(replica.open(), 0);
  });

  test(`${lane.name}: a server that is gone is another's work`, { timeout }, async (t) => {
    const first = await startFakeChatServer(t, lane.httpVersion);
    const second = await startFakeChatServer(t, lane.httpVersion, first.chat);
    const client = first.with(lane.open(["http://127.0.0.1:1", first.url, second.url]));
    first.chat.openSession("s");
    await client.session("s").getInfo();
    const watch = client.session("s").watch();
    await takeUntil(watch, ({ type }) => type === "live");
    first.replica.drain();
    await takeUntil(watch, ({ type }) => type === "live");
    assert.deepEqual([first.replica.open(), second.replica.open()], [0, 1]);
    await watch.return?.();
  });
}

test("GOAWAY: new calls take a new connection, open streams go on and then resume", {
  timeout,
}, async (t) => {
  const { client, chat, goAway, opened, cut } = await start(t, nodeLane("grpc", "2"));
  const session = chat.openSession("s");
  const append = () =>
    session.append({ type: EventType.SESSION_UPDATE, updateType: "session_renamed" });
  const watch = client.session("s").watch();
  await takeUntil(watch, ({ type }) => type === "live");
  goAway();
  append();
  await takeUntil(watch, isEvent(1));
  await client.session("s").getInfo();
  assert.equal(opened(), 2);
  cut();
  append();
  await takeUntil(watch, isEvent(2));
  await watch.return?.();
});

test("a half-open HTTP/2 connection is found dead by its PINGs, long before the silence", {
  timeout,
}, async (t) => {
  const server = await startFakeChatServer(t, "2");
  const { chat } = server;
  const proxy = server.with(await startFreezingProxy(server.url));
  const pings = { pingIntervalMs: 30, pingTimeoutMs: 200 };
  const client = server.with(createNodeChatClient({ baseUrls: [proxy.url], ...pings, retry }));
  const session = chat.openSession("s");
  const watch = client.session("s").watch();
  await takeUntil(watch, ({ type }) => type === "live");
  proxy.freeze();
  session.append({ type: EventType.SESSION_UPDATE, updateType: "session_renamed" });
  await takeUntil(watch, isEvent(1));
  await watch.return?.();
});

for (const lane of lanes.slice(0, 5)) {
  test(`${lane.name}: a program that closes its client ends by itself`, { timeout }, async (t) => {
    const { url, chat } = await startFakeChatServer(t, lane.httpVersion);
    chat.openSession("s");
    const program = fileURLToPath(new URL("./closing-program.ts", import.meta.url));
    const [protocol = ""] = lane.name.split(" ");
    const args = [program, url, protocol, lane.httpVersion];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
    assert.equal(stdout, "closed\n");
  });
}
