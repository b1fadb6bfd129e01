import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import { type AuthApp, bearer, startAuthApp } from "../../support/auth.ts";
import { clientCertificate, testCertificate } from "../../support/certificate.ts";
import { assertError, failureOf } from "../../support/wire.ts";

const clientCa = fileURLToPath(new URL("../../fixtures/tls/client-ca.pem", import.meta.url));

function startMutual(t: TestContext): Promise<AuthApp> {
  return startAuthApp(t, { tls: true, env: { TLS_CLIENT_CA_FILE: clientCa } });
}

type Options = { baseUrl: string; nodeOptions: { ca: string; cert: string; key: string } };

const ways = {
  "gRPC over HTTP/2": (options: Options) => createGrpcTransport(options),
  "Connect over HTTP/1.1": (options: Options) =>
    createConnectTransport({ ...options, httpVersion: "1.1" }),
};

for (const [name, createTransport] of Object.entries(ways)) {
  const connect = (app: AuthApp, certificate: "billing" | "robot") => {
    const nodeOptions = { ca: testCertificate.cert, ...clientCertificate(certificate) };
    return createClient(ChatService, createTransport({ baseUrl: app.url, nodeOptions }));
  };

  test(`sessions belong to the name in the certificate (${name})`, async (t) => {
    const app = await startMutual(t);
    const billing = connect(app, "billing");
    const robot = connect(app, "robot");
    const { sessionId } = await billing.createSession({});
    assert.equal((await billing.listSessions({})).activeSessions, 1);
    assert.equal((await connect(app, "billing").listSessions({})).activeSessions, 1);
    assert.equal((await robot.listSessions({})).activeSessions, 0);
    const error = await failureOf(robot.getSessionInfo({ sessionId }));
    assertError(error, Code.NotFound, "SESSION_NOT_FOUND");
  });

  test(`a bearer counts before a certificate, and a bad one is refused (${name})`, async (t) => {
    const app = await startMutual(t);
    const billing = connect(app, "billing");
    await billing.createSession({});
    const alice = { headers: bearer(app.alice) };
    assert.equal((await billing.listSessions({}, alice)).activeSessions, 0);
    await billing.createSession({}, alice);
    assert.equal((await connect(app, "robot").listSessions({}, alice)).activeSessions, 1);
    const bad = { headers: { authorization: "Bearer x" } };
    const error = await failureOf(billing.listSessions({}, bad));
    assertError(error, Code.Unauthenticated, "UNAUTHENTICATED");
  });
}
