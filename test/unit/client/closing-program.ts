import { createNodeChatClient, type NodeEndpointOptions } from "../../../src/client/node.ts";

// Leaves a watch, a turn and a back-off in mid-air, closes the client, and has to end without process.exit.
const [baseUrl = "", protocol, httpVersion, sessionId = "s"] = process.argv.slice(2);
const options = { protocol, httpVersion } as Omit<NodeEndpointOptions, "baseUrl">;
const client = createNodeChatClient({ ...options, baseUrls: [baseUrl] });
const lost = createNodeChatClient({ ...options, baseUrls: ["http://127.0.0.1:1"] });
const watch = client.session(sessionId).watch();
const waiting = lost.session(sessionId).watch().next();
const turn = client.session(sessionId).send("hi");
await watch.next();
await turn.events.next();
await client.session(sessionId).getInfo();
await Promise.all([client.close(), lost.close()]);
await waiting;
console.log("closed");
