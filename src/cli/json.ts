import { type DescMessage, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import { type ChatResponse, ChatResponseSchema } from "../gen/chat/chat_pb.ts";

/** An event as a line of NDJSON: the contract's JSON, in which a field with its default value is left out. */
export function eventLine(event: ChatResponse): string {
  return `${escapeControls(toJsonString(ChatResponseSchema, event))}\n`;
}

/** An answer as a line of NDJSON, with every field, so that a script need not know the defaults. */
export function messageLine<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): string {
  return `${escapeControls(toJsonString(schema, message, { alwaysEmitImplicit: true }))}\n`;
}

/** JSON may have DEL and C1 as they are, and a terminal would obey them. */
function escapeControls(json: string): string {
  return json.replace(
    /[\u007f-\u009f]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
