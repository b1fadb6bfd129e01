import type { DescMethod } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  createServiceImplSpec,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import { createGrpcHandler, type GrpcHandler } from "./grpc/handler.ts";
import {
  createReadErrorGate,
  createReadErrorInterceptor,
} from "./interceptors/explain-read-errors.ts";
import type { UnexpectedError } from "./interceptors/translate-errors.ts";
import { strictJson } from "./strict-json.ts";

export type HandlerOptions = Omit<ConnectRouterOptions, "readMaxBytes" | "jsonOptions"> & {
  routes: (router: ConnectRouter) => void;
  /** How large a message is read, decompressed, bytes of its binary form. */
  requestBytesMax: number;
  report: (error: UnexpectedError) => void;
};

/** The handlers of an RPC: ours for native gRPC with protobuf over HTTP/2, Connect's for the rest. */
export type Handlers = { readonly connect: UniversalHandler; readonly grpc: GrpcHandler };

/** The handlers of each RPC, by its path. `readMaxBytes` is for the form of its requests. */
export function createHandlers(
  { routes, requestBytesMax, report, interceptors = [], requestGate, ...others }: HandlerOptions,
  readMaxBytes: number,
): Map<string, Handlers> {
  const explainErrors = createReadErrorGate({ bytesMax: requestBytesMax, report });
  const handlerOptions: ConnectRouterOptions = {
    acceptCompression: [compressionGzip],
    ...others,
    readMaxBytes,
    interceptors: [createReadErrorInterceptor(requestBytesMax), ...interceptors],
    async requestGate(context) {
      explainErrors(context);
      await requestGate?.(context);
    },
  };
  const router = createConnectRouter(handlerOptions);
  const grpc = new Map<DescMethod, GrpcHandler>();
  const service: ConnectRouter["service"] = (desc, implementation, own) => {
    for (const spec of Object.values(createServiceImplSpec(desc, implementation).methods)) {
      const { method, impl } = spec;
      const jsonOptions = strictJson(method.input, requestBytesMax);
      router.rpc(method, impl as never, { ...own, jsonOptions });
      grpc.set(method, createGrpcHandler(spec, { ...handlerOptions, ...own }));
    }
    return strict;
  };
  const strict: ConnectRouter = { ...router, service };
  routes(strict);
  return new Map(
    router.handlers.map((connect) => {
      const ours = grpc.get(connect.method);
      if (!ours) throw new Error(`${connect.requestPath} was not mounted here`);
      return [connect.requestPath, { connect, grpc: ours }];
    }),
  );
}
