import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import type { FastifyInstance } from "fastify";
import { ChatService } from "../gen/chat/chat_pb.ts";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as ReflectionV1 } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { type ChatServiceOptions, createChatService } from "./chat-service.ts";
import { createGate, type GateOptions } from "./gate.ts";
import { createHealth, type Health as HealthControl } from "./health.ts";
import { type CallObserver, createCallMeasure } from "./interceptors/measure-calls.ts";
import { returnOnAbort } from "./interceptors/return-on-abort.ts";
import { createErrorTranslator, type UnexpectedError } from "./interceptors/translate-errors.ts";
import { type MountOptions, mountRpcs } from "./mount.ts";
import { createReflection } from "./reflection.ts";

export type ServicesOptions = ChatServiceOptions & {
  gate: GateOptions;
  peerOf: MountOptions["peerOf"];
  onRefusedCall: MountOptions["onRefusedCall"];
  calls: CallObserver;
  onUnexpectedError: (error: UnexpectedError) => void;
  /** Ends every open call with its reason, a ConnectError. */
  shutdownSignal: AbortSignal;
};

/**
 * Room for a request's other fields beside its message: the two texts of 64 KiB, and all that `chat/limits.ts`
 * bounds more narrowly. A unit test measures the largest requests.
 */
export const otherFieldsBytesMax = 163_840;

/** The largest reply goes out in one message (SendMessage), and the largest page of messages. */
const writeBytesMax = 256 * 1_048_576;

/** Every service that is mounted. */
export const services: readonly DescService[] = [
  ChatService,
  Health,
  ReflectionV1,
  ReflectionV1Alpha,
];

/** Mounts every RPC service on Fastify; what is returned switches the health that is told. */
export async function mountServices(
  fastify: FastifyInstance,
  options: ServicesOptions,
): Promise<HealthControl> {
  const health = createHealth({ services: services.map(({ typeName }) => typeName) });
  const reflection = createReflection({
    services: [ChatService, Health],
    files: [file_google_rpc_error_details],
  });
  const chat = createChatService(options);
  const measure = createCallMeasure(options.calls);
  const routes = (router: ConnectRouter) => {
    router.service(ChatService, chat);
    // `grpc-encoding: gzip` on an answer, though nothing in it is compressed, stalls the health checks of grpcio 1.51.
    router.service(Health, health.service, { acceptCompression: [] });
    router.service(ReflectionV1, reflection.v1);
    router.service(ReflectionV1Alpha, reflection.v1alpha);
  };
  await fastify.register((scope) =>
    mountRpcs(scope, {
      routes,
      requestBytesMax: options.messageBytesMax + otherFieldsBytesMax,
      report: options.onUnexpectedError,
      peerOf: options.peerOf,
      onRefusedCall: options.onRefusedCall,
      requestGate: measure.gate(createGate(options.gate)),
      writeMaxBytes: writeBytesMax,
      shutdownSignal: options.shutdownSignal,
      interceptors: [
        returnOnAbort,
        measure.interceptor,
        createErrorTranslator(options.onUnexpectedError),
      ],
    }),
  );
  return health;
}

/** Whether requests to this path may stay open as long as their client likes: those that stream requests. */
export function isOpenEnded(path: string): boolean {
  return openEnded.has(path);
}

const openEnded: ReadonlySet<string> = new Set(
  services.flatMap(({ typeName, methods }) =>
    methods
      .filter(
        ({ methodKind }) => methodKind === "bidi_streaming" || methodKind === "client_streaming",
      )
      .map(({ name }) => `/${typeName}/${name}`),
  ),
);
