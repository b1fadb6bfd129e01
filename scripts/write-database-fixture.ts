/**
 * Writes test/fixtures/database/<version>.db with what a user of this release may have in it, for every later
 * release to open: run it once when a release is made, and never again for that version.
 */
import { existsSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { buildApp } from "../src/app.ts";
import { loadConfig } from "../src/config.ts";
import { ChatRequest_Type, ChatService } from "../src/gen/chat/chat_pb.ts";
import { version } from "../src/version.ts";

const file = fileURLToPath(new URL(`../test/fixtures/database/${version}.db`, import.meta.url));
if (existsSync(file)) throw new Error(`${file} is there, and a release's database never changes`);

const env = {
  PORT: "0",
  DATABASE_URL: `sqlite:${file}`,
  SCRIPTED_MODEL: "1",
  ELIZA_WORDS_PER_SECOND: "0",
  LOG_LEVEL: "error",
};
const app = await buildApp(loadConfig({ env }));
const { port } = await app.listen();
const baseUrl = `http://127.0.0.1:${port}`;
const chat = createClient(ChatService, createConnectTransport({ baseUrl, httpVersion: "1.1" }));

const { sessionId } = await chat.createSession({
  title: "Kept",
  systemInstruction: "Be brief",
  metadata: { colour: "green" },
  requestId: "fixture-session",
});
await chat.sendMessage({ sessionId, message: "My name is Ada", requestId: "fixture-turn" });
await chat.sendMessage({ sessionId, message: "ünïcödé 👩‍👩‍👧 text", modelId: "scripted:say" });
await chat
  .sendMessage({ sessionId, message: "fails", modelId: "scripted:5x0!unavailable@3" })
  .catch(() => undefined);
await chat.sendMessage({ sessionId, message: "thinks", modelId: "scripted:thoughts" });
await chat.sendMessage({ sessionId, type: ChatRequest_Type.REGENERATE, modelId: "scripted:3x0" });
await chat.forkSession({ sessionId, title: "Forked" });
await app.close();
for (const beside of ["-wal", "-shm", ".lock", ".owner.json"])
  rmSync(`${file}${beside}`, { force: true });
