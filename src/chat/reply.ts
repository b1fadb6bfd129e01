import type { Part } from "./message.ts";

/** Adds a chunk to a reply in place: text of the same kind as the last part extends it. */
export function addChunk(parts: Part[], chunk: { text: string; thought?: boolean }): void {
  const type = chunk.thought ? "thought" : "text";
  const last = parts.at(-1);
  if (last?.type === type) last.text += chunk.text;
  else parts.push({ type, text: chunk.text });
}

/** Puts what the provider wants back on the reply's last text, where there is one. */
export function withSignature(parts: readonly Part[], signature: string | undefined): Part[] {
  const last = parts.findLastIndex(({ type }) => type === "text");
  return parts.map((part, index) =>
    signature !== undefined && index === last && part.type === "text"
      ? { ...part, signature }
      : part,
  );
}
