import { Code, ConnectError, type Interceptor, type StreamResponse } from "@connectrpc/connect";

/** Told of every call's start and end. `code` is `ok` or the name of the wire's code. */
export interface CallObserver {
  started(rpc: string, protocol: string): void;
  ended(rpc: string, protocol: string, code: string, durationMs: number): void;
}

/** Reports each call once it is over, however it ends: answered, failed, or left by its client. */
export function createCallMeasure(observer: CallObserver): Interceptor {
  return (next) => async (request) => {
    const rpc = `${request.service.typeName}/${request.method.name}`;
    const protocol = protocolOf(request.header);
    const startedMs = performance.now();
    let over = false;
    const end = (code: string) => {
      if (over) return;
      over = true;
      observer.ended(rpc, protocol, code, performance.now() - startedMs);
    };
    observer.started(rpc, protocol);
    // The signal aborts on completion too; a call that has not ended by then was left by its client.
    const { signal } = request;
    signal.addEventListener("abort", () => end(departureName(signal.reason)), { once: true });
    try {
      const response = await next(request);
      if (response.stream) return measureStream(response, end);
      end("ok");
      return response;
    } catch (error) {
      end(codeName(error));
      throw error;
    }
  };
}

function measureStream(response: StreamResponse, end: (code: string) => void): StreamResponse {
  async function* measured() {
    try {
      yield* response.message;
      end("ok");
    } catch (error) {
      end(codeName(error));
      throw error;
    }
  }
  return { ...response, message: measured() } as StreamResponse;
}

/** A client that left, or a connection that vanished, which HTTP/2 calls INTERNAL. */
function departureName(reason: unknown): string {
  const name = codeName(reason);
  return name === "internal" || name === "unknown" ? "canceled" : name;
}

function codeName(error: unknown): string {
  return Code[ConnectError.from(error).code]?.toLowerCase() ?? "unknown";
}

function protocolOf(header: Headers): string {
  const contentType = header.get("content-type") ?? "";
  if (contentType.startsWith("application/grpc-web")) return "grpc-web";
  if (contentType.startsWith("application/grpc")) return "grpc";
  return "connect";
}
