import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import type { FastifyInstance } from "fastify";
import { ChatService } from "../gen/chat/chat_pb.ts";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as ReflectionV1 } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { type ChatServiceOptions, createChatService } from "./chat-service.ts";
import { createHealth, type Health as HealthControl } from "./health.ts";
import { type CallObserver, createCallMeasure } from "./interceptors/measure-calls.ts";
import { returnOnAbort } from "./interceptors/return-on-abort.ts";
import { createErrorTranslator, type UnexpectedError } from "./interceptors/translate-errors.ts";
import { mountRpcs } from "./mount.ts";
import { createReflection } from "./reflection.ts";

export type ServicesOptions = ChatServiceOptions & {
  calls: CallObserver;
  onUnexpectedError: (error: UnexpectedError) => void;
  /** Ends every open call with its reason, a ConnectError. */
  shutdownSignal: AbortSignal;
};

/** Room for a request's other fields beside its message. */
const envelopeBytes = 131_072;

/** The largest reply goes out in one message (SendMessage), and the largest page of messages. */
const writeBytesMax = 256 * 1_048_576;

const services: readonly DescService[] = [ChatService, Health, ReflectionV1, ReflectionV1Alpha];

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
  const routes = (router: ConnectRouter) => {
    router.service(ChatService, createChatService(options));
    router.service(Health, health.service);
    router.service(ReflectionV1, reflection.v1);
    router.service(ReflectionV1Alpha, reflection.v1alpha);
  };
  await fastify.register((scope) =>
    mountRpcs(scope, {
      routes,
      readMaxBytes: options.messageBytesMax + envelopeBytes,
      writeMaxBytes: writeBytesMax,
      shutdownSignal: options.shutdownSignal,
      interceptors: [
        returnOnAbort,
        createCallMeasure(options.calls),
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
