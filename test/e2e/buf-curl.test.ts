import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startApp, type TestApp } from "../support/app.ts";
import { type ProgramResult, runProgram, temporaryFolder } from "../support/programs.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const buf = path("../../node_modules/@bufbuild/buf/bin/buf");
const certificate = path("../fixtures/tls/cert.pem");
const schemas: Record<string, string[]> = {
  "by reflection": [],
  "with the original contract": ["--schema", path("../fixtures/contract/seed.proto")],
};

type Way = { protocol: string; http2: boolean; tls: boolean };

const ways: readonly Way[] = ["grpc", "grpcweb", "connect"].flatMap((protocol) => [
  { protocol, http2: true, tls: false },
  { protocol, http2: true, tls: true },
  // buf speaks gRPC over HTTP/2 alone.
  ...(protocol === "grpc" ? [] : [{ protocol, http2: false, tls: false }]),
]);

type Options = { way: Way; schema: string[]; rpc: string; messages: object[] };

function bufCurl(t: TestContext, app: TestApp, options: Options): Promise<ProgramResult> {
  const { way, schema, rpc, messages } = options;
  const plain = way.http2 && !way.tls ? ["--http2-prior-knowledge"] : [];
  const trust = way.tls ? ["--cacert", certificate] : [];
  const url = `${app.tls ? "https" : "http"}://localhost:${app.port}/chat.ChatService/${rpc}`;
  const args = ["--protocol", way.protocol, ...plain, ...trust, ...schema, "-d", "@-", url];
  const env = { ...process.env, NO_PROXY: "*", HOME: temporaryFolder(t) };
  const input = messages.map((message) => JSON.stringify(message)).join("\n");
  return runProgram(t, process.execPath, [buf, "curl", ...args], { env, input });
}

/** One JSON object after the other, each on lines of its own. */
function readObjects(text: string): Record<string, unknown>[] {
  const parts = text.trim().split(/(?<=^\})\n/m);
  return parts.filter((part) => part !== "").map((part) => JSON.parse(part));
}

for (const way of ways) {
  for (const [how, schema] of Object.entries(schemas)) {
    const version = way.http2 ? "HTTP/2" : "HTTP/1.1";
    const name = `buf curl --protocol ${way.protocol}, ${version}${way.tls ? ", TLS" : ""}, ${how}`;
    // Reflection is a stream of requests, which HTTP/1.1 does not carry.
    if (!way.http2 && schema.length === 0) continue;

    test(name, async (t) => {
      const app = await startApp(t, { tls: way.tls });
      const call = (rpc: string, ...messages: object[]) =>
        bufCurl(t, app, { way, schema, rpc, messages });

      const opened = await call("CreateSession", { model_id: "scripted:3x1" });
      assert.equal(opened.code, 0, opened.stderr);
      const [session] = readObjects(opened.stdout);
      const sessionId = session?.sessionId;

      const missing = await call("GetSessionInfo", { session_id: "nowhere" });
      assert.notEqual(missing.code, 0);
      assert.match(missing.stderr, /not_found/);

      if (way.http2) {
        const chat = await call("Chat", { sessionId, message: "Hi" }, { type: "PING" });
        assert.equal(chat.code, 0, chat.stderr);
        const events = readObjects(chat.stdout);
        assert.equal(events.map(({ chunkText = "" }) => String(chunkText)).join(""), "w1 w2 w3 ");
        assert.ok(events.some(({ type }) => type === "PONG"));
      }
      if (schema.length > 0) return;
      const sent = await call("SendMessage", { sessionId, message: "Hi" });
      assert.equal(sent.code, 0, sent.stderr);
      assert.equal(readObjects(sent.stdout)[0]?.text, "w1 w2 w3 ");
      const streamed = await call("StreamChat", { sessionId, message: "Hi" });
      assert.equal(readObjects(streamed.stdout).at(-1)?.finishReason, "FINISH_REASON_STOP");
    });
  }
}
