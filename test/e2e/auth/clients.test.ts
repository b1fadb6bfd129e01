import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ErrorInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../src/gen/google/rpc/status_pb.ts";
import { type AuthApp, bearer, createKeyRing, startAuthApp } from "../../support/auth.ts";
import { clientCertificate, testCertificate } from "../../support/certificate.ts";
import { createIssuerKey, signToken, startIssuer } from "../../support/jwks.ts";
import { createTestKey } from "../../support/keys.ts";
import { requireProgram, runProgram } from "../../support/programs.ts";
import { makeStubs, python, pythonMissing } from "../../support/python-client.ts";
import { words } from "../../support/turn-checks.ts";

// What proto-loader makes of a contract has no types of its own.
// biome-ignore-start lint/suspicious/noExplicitAny: see above
type Untyped = any;
// biome-ignore-end lint/suspicious/noExplicitAny: see above

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const contract = file("../../../proto/chat/chat.proto");
const fixture = (name: string) => file(`../../fixtures/tls/${name}.pem`);

type Bearers = Record<string, string | null>;

/** A server with TLS that takes keys and tokens, and what callers show: two that are good, and bad ones. */
async function startTls(t: TestContext, more: Record<string, string> = {}) {
  const issuer = await startIssuer(t);
  const signer = await createIssuerKey("k1");
  issuer.publish(signer);
  const keys = createKeyRing(t);
  const revoked = keys.create({ revokedAt: "2026-01-02T00:00:00Z" });
  const env = {
    AUTH_JWKS_URL: issuer.jwksUrl,
    AUTH_ISSUER: issuer.issuer,
    AUTH_AUDIENCE: issuer.audience,
    ...more,
  };
  const app = await startAuthApp(t, { tls: true, env }, keys);
  const exp = Math.floor(Date.now() / 1_000) - 60;
  const good: Bearers = {
    key: app.alice.text,
    token: await signToken(issuer, signer, Date.now()),
  };
  const bad: Bearers = {
    unknown: createTestKey().text,
    revoked: revoked.text,
    "token that has expired": await signToken(issuer, signer, Date.now(), { claims: { exp } }),
  };
  return { app, good, bad };
}

const mutual = { TLS_CLIENT_CA_FILE: fixture("client-ca") };

const loaded = loadSync(contract, {
  keepCase: true,
  enums: String,
  longs: Number,
  defaults: true,
});

/** A client as grpc-js has it: credentials of the channel for TLS, and of its calls for the bearer. */
function connectGrpcJs(app: AuthApp, shown: string | null, certificate?: "billing"): Untyped {
  const ca = Buffer.from(testCertificate.cert);
  const own = certificate && clientCertificate(certificate);
  const tls = own
    ? grpc.credentials.createSsl(ca, Buffer.from(own.key), Buffer.from(own.cert))
    : grpc.credentials.createSsl(ca);
  const call = grpc.credentials.createFromMetadataGenerator((_options, done) => {
    const metadata = new grpc.Metadata();
    if (shown !== null) metadata.set("authorization", bearer(shown).authorization);
    done(null, metadata);
  });
  const { chat } = grpc.loadPackageDefinition(loaded) as Untyped;
  const credentials = grpc.credentials.combineChannelCredentials(tls, call);
  const client = new chat.ChatService(`localhost:${app.port}`, credentials);
  app.defer(() => client.close());
  return client;
}

const request = { message: "Hi", model_id: "scripted:3x1" };

/** A unary call, a stream of answers and a stream both ways: what each says, or the status it ends with. */
async function callEach(client: Untyped): Promise<unknown[]> {
  const unary = await new Promise((resolve) => {
    client.SendMessage(request, (error: grpc.ServiceError | null, reply: Untyped) =>
      resolve(error ? statusOf(error) : reply.text),
    );
  });
  const streamed = await readStream(client.StreamChat(request));
  const chat = client.Chat();
  const answered = readStream(chat);
  chat.write({ type: "PING" });
  chat.end();
  return [unary, textOf(streamed), lengthOf(await answered)];
}

async function readStream(stream: Untyped): Promise<Untyped> {
  const events: Untyped[] = [];
  stream.on("data", (event: Untyped) => events.push(event));
  stream.on("error", () => undefined);
  // Not by `once`, which an error before the status would reject.
  const status = await new Promise<grpc.StatusObject>((resolve) => {
    stream.on("status", resolve);
  });
  return status.code === grpc.status.OK ? events : statusOf(status);
}

function textOf(events: Untyped): unknown {
  if (!Array.isArray(events)) return events;
  return events.map(({ chunk_text }) => chunk_text).join("");
}

function lengthOf(events: Untyped): unknown {
  return Array.isArray(events) ? events.length : events;
}

/** What every refused call ends with. */
function statusOf({ code, details, metadata }: grpc.StatusObject) {
  const [bytes] = metadata.get("grpc-status-details-bin");
  const status = fromBinary(StatusSchema, bytes as Buffer);
  const [info] = status.details.map((any) => anyUnpack(any, ErrorInfoSchema));
  return { code: grpc.status[code], details, reason: info?.reason };
}

const refusal = {
  code: "UNAUTHENTICATED",
  details: "a valid key or token is needed in the authorization header (scheme Bearer)",
};

test("grpc-js calls with TLS and a key or a token", async (t) => {
  const { app, good, bad } = await startTls(t);
  for (const [name, shown] of Object.entries(good)) {
    assert.deepEqual(await callEach(connectGrpcJs(app, shown)), [words(3), words(3), 1], name);
  }
  const refused = { ...refusal, reason: "UNAUTHENTICATED" };
  for (const [name, shown] of Object.entries({ ...bad, nothing: null })) {
    const seen = await callEach(connectGrpcJs(app, shown));
    assert.deepEqual(seen, [refused, refused, refused], name);
  }
});

test("grpc-js calls with its certificate, and with a key beside it", async (t) => {
  const { app, good, bad } = await startTls(t, mutual);
  for (const [name, shown] of Object.entries({ ...good, nothing: null })) {
    const seen = await callEach(connectGrpcJs(app, shown, "billing"));
    assert.deepEqual(seen, [words(3), words(3), 1], name);
  }
  const refused = { ...refusal, reason: "UNAUTHENTICATED" };
  for (const [name, shown] of Object.entries(bad)) {
    const seen = await callEach(connectGrpcJs(app, shown, "billing"));
    assert.deepEqual(seen, [refused, refused, refused], name);
  }
});

async function playPython(t: TestContext, app: AuthApp, scenario: object) {
  const client = file("../../support/python/auth_client.py");
  const env = { ...process.env, no_proxy: "127.0.0.1,localhost", PYTHONDONTWRITEBYTECODE: "1" };
  const args = [client, await makeStubs(t), `localhost:${app.port}`, JSON.stringify(scenario)];
  const { code, stdout, stderr } = await runProgram(t, python, args, { env });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

test("Python calls with TLS and a key or a token", { skip: pythonMissing }, async (t) => {
  const { app, good, bad } = await startTls(t);
  const bearers = { ...good, ...bad, nothing: null };
  const seen = await playPython(t, app, { ca: fixture("cert"), bearers });
  for (const name of Object.keys(bearers)) {
    const expected = name in good ? [words(3), words(3), 1] : [refusal, refusal, refusal];
    assert.deepEqual(seen[name], expected, name);
  }
});

test("Python calls with its certificate, and a key beside it", {
  skip: pythonMissing,
}, async (t) => {
  const { app, good, bad } = await startTls(t, mutual);
  const own = { cert: fixture("client-billing"), key: fixture("client-billing-key") };
  const bearers = { ...good, ...bad, nothing: null };
  const seen = await playPython(t, app, { ca: fixture("cert"), ...own, bearers });
  for (const name of Object.keys(bearers)) {
    const expected = name in bad ? [refusal, refusal, refusal] : [words(3), words(3), 1];
    assert.deepEqual(seen[name], expected, name);
  }
});

const noCurl = requireProgram("curl", ["--version"]);

test("curl calls with a key, and is told how to without", { skip: noCurl }, async (t) => {
  const { app, good, bad } = await startTls(t);
  const url = `https://localhost:${app.port}/chat.ChatService/SendMessage`;
  for (const version of ["--http1.1", "--http2"]) {
    const options = ["-s", "-i", version, "--noproxy", "*", "--cacert", fixture("cert")];
    const message = ["-d", '{"message":"Hi","modelId":"scripted:3x1"}'];
    const curl = (...more: string[]) => {
      const headers = ["content-type: application/json", ...more];
      const shown = headers.flatMap((header) => ["-H", header]);
      return runProgram(t, "curl", [...options, ...message, ...shown, url]);
    };
    const { stdout } = await curl(`authorization: Bearer ${good.key}`);
    assert.match(stdout, /^HTTP\/[\d.]+ 200/);
    assert.match(stdout, /"text":"w1 w2 w3 "/);
    for (const shown of [undefined, ...Object.values(bad)]) {
      const headers = shown === undefined ? [] : [`authorization: Bearer ${shown}`];
      const { stdout: refused } = await curl(...headers);
      assert.match(refused, /^HTTP\/[\d.]+ 401/);
      assert.match(refused, /^www-authenticate: Bearer realm="chatwire"\r$/im);
      const [, body = ""] = refused.split("\r\n\r\n");
      const { code, message, details } = JSON.parse(body);
      assert.deepEqual([code, message], ["unauthenticated", refusal.details]);
      assert.equal(details[0].debug.reason, "UNAUTHENTICATED");
    }
  }
});
