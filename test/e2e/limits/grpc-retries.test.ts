import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { sumOf } from "../../support/app.ts";
import { bearer } from "../../support/auth.ts";
import { startLimited } from "./limited.ts";

const contract = fileURLToPath(new URL("../../../proto/chat/chat.proto", import.meta.url));

const retryPolicy = {
  maxAttempts: 5,
  initialBackoff: "0.01s",
  maxBackoff: "0.01s",
  backoffMultiplier: 1,
  retryableStatusCodes: ["RESOURCE_EXHAUSTED", "UNAVAILABLE"],
};

/** A client whose library retries, as the service config tells it. */
function connectGrpcJs(target: string) {
  // What proto-loader makes of a contract has no types of its own.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  const { chat } = grpc.loadPackageDefinition(loadSync(contract)) as any;
  const methodConfig = [{ name: [{ service: "chat.ChatService" }], retryPolicy }];
  return new chat.ChatService(target, grpc.credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ methodConfig }),
  });
}

test("gRPC's own retries end where waiting does not help", async (t) => {
  const app = await startLimited(t, { sessionsMax: 0, turnsPerMinuteMax: 9 });
  const client = connectGrpcJs(`127.0.0.1:${app.port}`);
  app.defer(() => client.close());
  const metadata = new grpc.Metadata();
  metadata.set("authorization", bearer(app.alice).authorization);
  const call = (rpc: string, request: object) =>
    new Promise<grpc.ServiceError>((resolve, reject) => {
      client[rpc](request, metadata, (error: grpc.ServiceError | null) =>
        error ? resolve(error) : reject(new Error("it was served")),
      );
    });
  const { code, metadata: trailer } = await call("CreateSession", {});
  assert.equal(code, grpc.status.RESOURCE_EXHAUSTED);
  assert.deepEqual(trailer.get("grpc-retry-pushback-ms"), ["-1"]);
  const calls = sumOf(await app.metrics(), "chatwire_rpc_started_total", "CreateSession");
  assert.equal(calls, 1, "it was tried again");
});
