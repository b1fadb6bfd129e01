import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  ChatService,
  type DeleteSessionResponse,
  DeleteSessionResponseSchema,
} from "../gen/chat/chat_pb.ts";
import type { ClientContext } from "./context.ts";
import { callUnary, type UnaryOptions } from "./unary.ts";

/** Deletes a session; NOT_FOUND after an attempt whose answer was lost means that it is done. */
export async function deleteSession(
  context: ClientContext,
  sessionId: string,
  options?: UnaryOptions,
): Promise<DeleteSessionResponse> {
  let lost = false;
  const onRetry = () => {
    lost = true;
  };
  try {
    return await callUnary(context, ChatService.method.deleteSession, { sessionId }, options, {
      onRetry,
    });
  } catch (error) {
    if (!lost || ConnectError.from(error).code !== Code.NotFound) throw error;
    return create(DeleteSessionResponseSchema, { success: true });
  }
}
