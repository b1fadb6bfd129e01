import type { Part, Role } from "../../src/chat/message.ts";
import type { Model, ModelPart, ModelRequest } from "../../src/chat/model.ts";

/** A request whose last message is the user's `text`. */
export function requestOf(text: string, rest: Partial<ModelRequest> = {}): ModelRequest {
  return { systemInstruction: "", messages: [said("user", text)], generation: {}, ...rest };
}

/** The messages of a session: the user's and the model's by turns, the user's first. */
export function sessionOf(...texts: string[]): ModelRequest["messages"] {
  return texts.map((text, index) => said(index % 2 === 0 ? "user" : "model", text));
}

export function said(role: Role, text: string): { role: Role; parts: readonly Part[] } {
  return { role, parts: [{ type: "text", text }] };
}

/** All parts of one reply. */
export function generateAll(
  model: Model,
  request: ModelRequest,
  signal: AbortSignal = new AbortController().signal,
): Promise<ModelPart[]> {
  return Array.fromAsync(model.generate(request, signal));
}

/** The text parts, concatenated. */
export function textIn(parts: readonly ModelPart[]): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

export function finishesIn(parts: readonly ModelPart[]): string[] {
  return parts.flatMap((part) => (part.type === "finish" ? [part.reason] : []));
}
