import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { createFileRegistry, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_java_features,
} from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createClient,
  createHandlerContext,
  createRouterTransport,
} from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import { file_google_rpc_error_details } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { Health } from "../../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as V1 } from "../../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1Alpha } from "../../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { createReflection } from "../../../src/service/reflection.ts";
import { buf, root } from "../contract/buf.ts";
import { serveHttp2 } from "./serve-http2.ts";

const reflection = createReflection({
  services: [ChatService, Health],
  files: [file_google_rpc_error_details, file_google_protobuf_java_features],
});

const allServices = [
  "chat.ChatService",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

for (const [version, ask] of [
  ["v1", askV1],
  ["v1alpha", askV1Alpha],
] as const) {
  describe(`reflection ${version}`, () => {
    it("lists every service, itself included", async () => {
      const [answer] = await ask({ case: "listServices", value: "*" });
      assert.equal(answer?.case, "listServicesResponse");
      assert.deepEqual(
        answer.value.service.map(({ name }) => name),
        allServices,
      );
    });

    it("gives a file by its name", async () => {
      const [answer] = await ask({ case: "fileByFilename", value: "chat/chat.proto" });
      assert.deepEqual(fileNames(answer), ["chat/chat.proto"]);
    });

    for (const [symbol, file] of [
      ["chat.ChatService", "chat/chat.proto"],
      ["chat.ChatService.StreamChat", "chat/chat.proto"],
      ["chat.ChatRequest", "chat/chat.proto"],
      ["chat.ChatRequest.session_id", "chat/chat.proto"],
      ["chat.ChatRequest.Type", "chat/chat.proto"],
      ["chat.ChatRequest.PING", "chat/chat.proto"],
      ["chat.FinishReason", "chat/chat.proto"],
      ["chat.FINISH_REASON_STOP", "chat/chat.proto"],
      ["grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"],
      [
        "grpc.reflection.v1.ServerReflectionRequest.message_request",
        "grpc/reflection/v1/reflection.proto",
      ],
      ["google.rpc.QuotaFailure.Violation", "google/rpc/error_details.proto"],
      ["google.protobuf.Duration", "google/protobuf/duration.proto"],
      ["pb.java", "google/protobuf/java_features.proto"],
    ] as const) {
      it(`finds the file that declares ${symbol}`, async () => {
        const [answer] = await ask({ case: "fileContainingSymbol", value: symbol });
        assert.equal(fileNames(answer)[0], file);
      });
    }

    it("sends what a file imports with it, once in a stream, and the file whenever asked", async () => {
      const answers = await ask(
        { case: "fileContainingSymbol", value: "google.rpc.ErrorInfo" },
        { case: "fileByFilename", value: "google/rpc/error_details.proto" },
        { case: "fileByFilename", value: "google/protobuf/duration.proto" },
      );
      assert.deepEqual(answers.map(fileNames), [
        ["google/rpc/error_details.proto", "google/protobuf/duration.proto"],
        ["google/rpc/error_details.proto"],
        ["google/protobuf/duration.proto"],
      ]);
    });

    it("finds extensions and their numbers", async () => {
      const [file, numbers, none] = await ask(
        {
          case: "fileContainingExtension",
          value: { containingType: "google.protobuf.FeatureSet", extensionNumber: 1001 },
        },
        { case: "allExtensionNumbersOfType", value: "google.protobuf.FeatureSet" },
        { case: "allExtensionNumbersOfType", value: "chat.ChatRequest" },
      );
      assert.deepEqual(fileNames(file), [
        "google/protobuf/java_features.proto",
        "google/protobuf/descriptor.proto",
      ]);
      assert.equal(numbers?.case, "allExtensionNumbersResponse");
      assert.equal(numbers.value.baseTypeName, "google.protobuf.FeatureSet");
      assert.deepEqual(numbers.value.extensionNumber, [1001]);
      assert.equal(none?.case, "allExtensionNumbersResponse");
      assert.deepEqual(none.value.extensionNumber, []);
    });

    it("answers what it cannot find by an error, and goes on", async () => {
      const answers = await ask(
        { case: "fileByFilename", value: "chat.proto" },
        { case: "fileContainingSymbol", value: "chat.Nothing" },
        { case: "fileContainingSymbol", value: "" },
        {
          case: "fileContainingExtension",
          value: { containingType: "chat.ChatRequest", extensionNumber: 1 },
        },
        { case: "allExtensionNumbersOfType", value: "chat.ChatService" },
        { case: undefined },
        { case: "listServices", value: "" },
      );
      assert.deepEqual(answers.map(errorCode), [
        Code.NotFound,
        Code.NotFound,
        Code.NotFound,
        Code.NotFound,
        Code.NotFound,
        Code.InvalidArgument,
        undefined,
      ]);
    });
  });
}

it("echoes the request and its host", async () => {
  const client = createClient(V1, createRouterTransport(routes));
  const asked = {
    host: "example.com",
    messageRequest: { case: "listServices", value: "*" },
  } as const;
  const [response] = await Array.fromAsync(client.serverReflectionInfo(once(asked)));
  assert.equal(response?.validHost, "example.com");
  assert.equal(response.originalRequest?.host, "example.com");
  assert.deepEqual(response.originalRequest.messageRequest, asked.messageRequest);
});

it("the files it sends are the whole contract, options and all", async () => {
  const [answer] = await askV1({ case: "fileByFilename", value: "chat/chat.proto" });
  const registry = createFileRegistry(
    fromBinary(FileDescriptorSetSchema, await built("chat/chat.proto")),
  );
  const [sent] = filesOf(answer);
  const expected = registry.getFile("chat/chat.proto")?.proto;
  assert.ok(sent && expected);
  assert.deepEqual(sent, expected);
});

describe("a reflection stream whose client is silent", () => {
  it("ends when the signal aborts, and leaves no listener", async () => {
    const { context, responses, requests } = askDirectly();
    const before = getEventListeners(context.signal, "abort").length;
    const waiting = responses.next();
    assert.equal(getEventListeners(context.signal, "abort").length, before + 1);
    context.abort(new ConnectError("too late", Code.DeadlineExceeded));
    await assert.rejects(waiting, { code: Code.DeadlineExceeded });
    assert.equal(getEventListeners(context.signal, "abort").length, 0);
    assert.ok(requests.returned);
  });

  it("ends at once when the signal has aborted before", async () => {
    const { context, responses, requests } = askDirectly();
    context.abort(new ConnectError("gone", Code.Canceled));
    await assert.rejects(responses.next(), { code: Code.Canceled });
    assert.ok(requests.returned);
  });
});

it("buf curl finds services, methods and messages through it", async (t) => {
  const { url } = await serveHttp2(t, routes);
  for (const reflectProtocol of ["grpc-v1", "grpc-v1alpha"]) {
    const curl = async (...args: string[]) => {
      const flags = ["--protocol", "grpc", "--http2-prior-knowledge"];
      flags.push("--reflect-protocol", reflectProtocol);
      const result = await buf(["curl", ...flags, ...args]);
      assert.equal(result.exitCode, 0, result.stderr);
      return result.stdout.toString("utf8").trim();
    };
    assert.deepEqual((await curl(url, "--list-services")).split("\n"), allServices);
    const methods = (await curl(url, "--list-methods")).split("\n");
    assert.ok(methods.includes("chat.ChatService/StreamChat"));
    assert.ok(methods.includes("grpc.health.v1.Health/Watch"));
    const reply = await curl(`${url}/chat.ChatService/Health`, "--data", "{}");
    assert.deepEqual(JSON.parse(reply), { healthy: true, message: "up" });
  }
});

it("a grpc-js client asks it over HTTP/2, with several requests in flight", async (t) => {
  const { authority } = await serveHttp2(t, routes);
  const definition = loadSync("grpc/reflection/v1/reflection.proto", {
    includeDirs: [`${root}/proto`],
    oneofs: true,
  });
  const service = definition["grpc.reflection.v1.ServerReflection"] as grpc.ServiceDefinition;
  const Client = grpc.makeClientConstructor(service, "ServerReflection");
  const client = new Client(authority, grpc.credentials.createInsecure());
  t.after(() => client.close());
  const call: grpc.ClientDuplexStream<unknown, { messageResponse: string }> =
    client.ServerReflectionInfo?.();
  call.write({ listServices: "" });
  call.write({ fileByFilename: "chat/chat.proto" });
  call.write({ fileContainingSymbol: "chat.Nothing" });
  call.end();
  const responses = await call.toArray();
  assert.deepEqual(
    responses.map(({ messageResponse }) => messageResponse),
    ["listServicesResponse", "fileDescriptorResponse", "errorResponse"],
  );
});

type Question = NonNullable<
  MessageInitShape<(typeof V1)["method"]["serverReflectionInfo"]["input"]>["messageRequest"]
>;
type Answer = Awaited<ReturnType<typeof askV1>>[number];

function routes(router: ConnectRouter): void {
  router.service(V1, reflection.v1);
  router.service(V1Alpha, reflection.v1alpha);
  router.service(ChatService, { health: () => ({ healthy: true, message: "up" }) });
}

async function askV1(...questions: Question[]) {
  const client = createClient(V1, createRouterTransport(routes));
  const requests = once(...questions.map((messageRequest) => ({ messageRequest })));
  const responses = await Array.fromAsync(client.serverReflectionInfo(requests));
  assert.equal(responses.length, questions.length);
  return responses.map(({ messageResponse }) => messageResponse);
}

async function askV1Alpha(...questions: Question[]): Promise<Answer[]> {
  const client = createClient(V1Alpha, createRouterTransport(routes));
  const requests = once(...questions.map((messageRequest) => ({ messageRequest })));
  const responses = await Array.fromAsync(
    client.serverReflectionInfo(requests as Parameters<typeof client.serverReflectionInfo>[0]),
  );
  assert.equal(responses.length, questions.length);
  return responses.map(({ messageResponse }) => messageResponse as Answer);
}

/** A stream with its generator at hand, on requests that never come. */
function askDirectly() {
  const context = createHandlerContext({
    service: V1,
    method: V1.method.serverReflectionInfo,
    protocolName: "grpc",
    requestMethod: "POST",
    url: "http://localhost/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  });
  const requests = {
    returned: false,
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<never>(() => undefined),
      return() {
        requests.returned = true;
        return Promise.resolve({ done: true as const, value: undefined });
      },
    }),
  };
  const responses = reflection.v1.serverReflectionInfo(requests, context)[Symbol.asyncIterator]();
  return { context, requests, responses };
}

async function* once<T>(...values: T[]): AsyncGenerator<T> {
  yield* values;
}

function filesOf(answer: Answer | undefined) {
  assert.equal(answer?.case, "fileDescriptorResponse");
  return answer.value.fileDescriptorProto.map((bytes) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
}

function fileNames(answer: Answer | undefined): string[] {
  return filesOf(answer).map(({ name }) => name);
}

function errorCode(answer: Answer): number | undefined {
  return answer.case === "errorResponse" ? answer.value.errorCode : undefined;
}

/** The descriptor set of a file and its imports, as buf compiles it. */
async function built(path: string): Promise<Uint8Array> {
  const flags = [
    "--path",
    `proto/${path}`,
    "--exclude-source-info",
    "--as-file-descriptor-set",
    "-o",
    "-#format=binpb",
  ];
  const { exitCode, stdout, stderr } = await buf(["build", ...flags]);
  assert.equal(exitCode, 0, stderr);
  return stdout;
}
