import { type ClientHttp2Session, connect } from "node:http2";
import { createFrameCounter } from "./grpc-frame.ts";

/** What one call brought. */
export type CallResult = { messages: number; bytes: Buffer };

/**
 * Makes one gRPC call of chat.ChatService with a framed request, and rejects unless it ends with OK.
 * `onMessages` is called with how many messages each piece of data completed.
 */
export function callGrpc(
  session: ClientHttp2Session,
  rpc: string,
  request: Buffer,
  onMessages?: (count: number) => void,
): Promise<CallResult> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": `/chat.ChatService/${rpc}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const countMessages = createFrameCounter();
    const received: Buffer[] = [];
    let messages = 0;
    let status: unknown;
    const readStatus = (headers: Record<string, unknown>) => {
      status = headers["grpc-status"] ?? status;
    };
    stream.on("response", readStatus);
    stream.on("trailers", readStatus);
    stream.on("data", (data: Buffer) => {
      const count = countMessages(data);
      messages += count;
      received.push(data);
      if (count > 0) onMessages?.(count);
    });
    stream.once("error", reject);
    stream.once("close", () => {
      if (status === "0") resolve({ messages, bytes: Buffer.concat(received) });
      else reject(new Error(`${rpc} ended with grpc-status ${String(status)}`));
    });
    stream.end(request);
  });
}

/** Runs `work` with a connection of its own to the server on this port. */
export async function withSession<Result>(
  port: number,
  work: (session: ClientHttp2Session) => Promise<Result>,
): Promise<Result> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  try {
    return await work(session);
  } finally {
    session.destroy();
  }
}
