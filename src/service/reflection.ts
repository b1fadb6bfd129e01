import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  type ServerReflectionRequest as RequestV1,
  ServerReflection as ServerReflectionV1,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  type ServerReflectionRequest as RequestV1Alpha,
  ServerReflection as ServerReflectionV1Alpha,
} from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { createDescriptorIndex, type DescriptorIndex, withImports } from "./descriptor-index.ts";
import { untilAborted } from "./until-aborted.ts";

/** Server reflection in the two versions that clients ask for, which differ in their package's name alone. */
export type Reflection = {
  v1: ServiceImpl<typeof ServerReflectionV1>;
  v1alpha: ServiceImpl<typeof ServerReflectionV1Alpha>;
};

export type ReflectionOptions = {
  /** What the server serves; reflection adds itself. */
  services: readonly DescService[];
  /** Further files to answer for, which no service imports: the details of errors. */
  files?: readonly DescFile[];
};

/**
 * Lets clients without the contract (grpcurl, buf curl, Postman) learn it from the server. A request that
 * cannot be answered gets an error_response (NOT_FOUND, or INVALID_ARGUMENT for one that asks nothing) and
 * the stream goes on. Rules: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md.
 */
export function createReflection(options: ReflectionOptions): Reflection {
  const services = [...options.services, ServerReflectionV1, ServerReflectionV1Alpha];
  const files = [...services.map(({ file }) => file), ...(options.files ?? [])];
  const catalog: Catalog = {
    services: [...new Set(services.map(({ typeName }) => typeName))].toSorted(),
    index: createDescriptorIndex(files),
    encode: createEncoder(),
  };
  return {
    v1: { serverReflectionInfo: (requests, context) => answerAll(catalog, requests, context) },
    v1alpha: { serverReflectionInfo: (requests, context) => answerAll(catalog, requests, context) },
  };
}

type Catalog = {
  services: readonly string[];
  index: DescriptorIndex;
  encode: (file: DescFile) => Uint8Array<ArrayBuffer>;
};

type Request = RequestV1 | RequestV1Alpha;

/** The answer in the form that both versions take. */
type Answer =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array<ArrayBuffer>[] } }
  | {
      case: "allExtensionNumbersResponse";
      value: { baseTypeName: string; extensionNumber: number[] };
    }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

type Response<R extends Request> = {
  validHost: string;
  originalRequest: R;
  messageResponse: Answer;
};

/** Answers one stream's requests in order, until the client half-closes or the signal aborts. */
async function* answerAll<R extends Request>(
  catalog: Catalog,
  requests: AsyncIterable<R>,
  { signal }: Pick<HandlerContext, "signal">,
): AsyncGenerator<Response<R>> {
  const sent = new Set<DescFile>();
  for await (const request of untilAborted(requests, signal)) {
    const messageResponse = answer(catalog, request.messageRequest, sent);
    yield { validHost: request.host, originalRequest: request, messageResponse };
  }
}

function answer(catalog: Catalog, query: Request["messageRequest"], sent: Set<DescFile>): Answer {
  const { services, index } = catalog;
  switch (query.case) {
    case "listServices":
      return {
        case: "listServicesResponse",
        value: { service: services.map((name) => ({ name })) },
      };
    case "fileByFilename":
      return fileAnswer(catalog, index.file(query.value), sent, `file "${query.value}"`);
    case "fileContainingSymbol":
      return fileAnswer(catalog, index.fileOfSymbol(query.value), sent, `symbol "${query.value}"`);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = query.value;
      const file = index.fileOfExtension(containingType, extensionNumber);
      return fileAnswer(catalog, file, sent, `extension ${extensionNumber} of "${containingType}"`);
    }
    case "allExtensionNumbersOfType": {
      const numbers = index.extensionNumbers(query.value);
      if (numbers === undefined) return notFound(`message "${query.value}"`);
      return {
        case: "allExtensionNumbersResponse",
        value: { baseTypeName: query.value, extensionNumber: [...numbers] },
      };
    }
    default:
      return errorAnswer(Code.InvalidArgument, "the request asks for nothing that is known here");
  }
}

/** The file, always, and of all that it imports what the stream has not had yet. */
function fileAnswer(
  { encode }: Catalog,
  file: DescFile | undefined,
  sent: Set<DescFile>,
  what: string,
): Answer {
  if (!file) return notFound(what);
  sent.delete(file);
  const due = withImports([file]).difference(sent);
  for (const each of due) sent.add(each);
  return {
    case: "fileDescriptorResponse",
    value: { fileDescriptorProto: [...due].map(encode) },
  };
}

function notFound(what: string): Answer {
  return errorAnswer(Code.NotFound, `there is no ${what}`);
}

function errorAnswer(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

/** Encodes each file when it is first asked for. */
function createEncoder(): (file: DescFile) => Uint8Array<ArrayBuffer> {
  const encoded = new Map<DescFile, Uint8Array<ArrayBuffer>>();
  return (file) => {
    const bytes = encoded.get(file) ?? toBinary(FileDescriptorProtoSchema, file.proto);
    encoded.set(file, bytes);
    return bytes;
  };
}
