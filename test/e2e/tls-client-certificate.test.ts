import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { service as healthDefinition } from "grpc-health-check";
import { ChatService } from "../../src/gen/chat/chat_pb.ts";
import { startApp, sumOf, type TestApp } from "../support/app.ts";
import { createKeyRing } from "../support/auth.ts";
import { clientCertificate, testCertificate } from "../support/certificate.ts";
import { failureOf } from "../support/wire.ts";

const env = {
  TLS_CLIENT_CA_FILE: fileURLToPath(new URL("../fixtures/tls/client-ca.pem", import.meta.url)),
};

/** Asks for certificates; one alone may not see the metrics. */
function startMutual(t: TestContext): Promise<TestApp> {
  const keys = createKeyRing(t);
  const { text: metricsKey } = keys.create({ scopes: ["metrics"] });
  return startApp(t, { tls: true, env: { ...env, AUTH_KEYS_FILE: keys.path }, metricsKey });
}

/** What a client shows; `undefined`: nothing. */
const strangers = ["stranger", "expired", undefined] as const;

function showing(name: "billing" | "stranger" | "expired" | undefined) {
  return { ca: testCertificate.cert, ...(name && clientCertificate(name)) };
}

function connectClients(app: TestApp, name: Parameters<typeof showing>[0]) {
  const nodeOptions = showing(name);
  const options = { baseUrl: app.url, nodeOptions };
  return [
    createGrpcTransport(options),
    createConnectTransport({ ...options, httpVersion: "1.1" }),
  ].map((transport) => createClient(ChatService, transport));
}

test("only clients with a certificate of the CA come in, over both HTTP versions", async (t) => {
  const app = await startMutual(t);
  for (const chat of connectClients(app, "billing")) {
    const { text } = await chat.sendMessage({ message: "Hi", modelId: "scripted:say" });
    assert.equal(text, "Hi");
  }
  for (const name of strangers) {
    for (const chat of connectClients(app, name)) {
      await failureOf(chat.health({}));
    }
  }
  const started = sumOf(await app.metrics(), "chatwire_rpc_started_total");
  assert.equal(started, 2, "the others ended in the handshake, before any call");
});

test("grpc-js shows its certificate, and without one finds no server", async (t) => {
  const app = await startMutual(t);
  const callBy = (credentials: grpc.ChannelCredentials) => {
    const HealthClient = grpc.makeGenericClientConstructor(healthDefinition, "Health");
    const client = new HealthClient(`localhost:${app.port}`, credentials);
    app.defer(() => client.close());
    return new Promise<grpc.ServiceError | null>((resolve) => {
      client.check?.({ service: "" }, resolve);
    });
  };
  const ca = Buffer.from(testCertificate.cert);
  const { cert, key } = clientCertificate("billing");
  assert.equal(
    await callBy(grpc.credentials.createSsl(ca, Buffer.from(key), Buffer.from(cert))),
    null,
  );
  const refused = await callBy(grpc.credentials.createSsl(ca));
  assert.equal(refused?.code, grpc.status.UNAVAILABLE);
});
