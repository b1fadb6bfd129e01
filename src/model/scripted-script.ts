/** How a counted script ends, after how many chunks. */
export type ScriptedEnd = "stop" | "unavailable" | "hang" | "end" | "safety" | "max_tokens";

/** What a scripted model's id asks for. */
export type Script =
  | { type: "count"; chunks: number; intervalMs: number; end: ScriptedEnd; endAfter: number }
  | { type: "echo" }
  | { type: "say" }
  | { type: "thoughts" };

export const scriptedLimits = { chunksMax: 100_000, intervalMsMax: 60_000 } as const;

const counted =
  /^scripted:(\d{1,6})x(\d{1,5})(?:!(unavailable|hang|end|safety|max_tokens)@(\d{1,6}))?$/;

/** Reads the id (DESIGN section 5); undefined where it says nothing that can be done. */
export function parseScript(modelId: string): Script | undefined {
  if (modelId === "scripted:echo") return { type: "echo" };
  if (modelId === "scripted:say") return { type: "say" };
  if (modelId === "scripted:thoughts") return { type: "thoughts" };
  const match = counted.exec(modelId);
  if (!match) return undefined;
  const chunks = Number(match[1]);
  const intervalMs = Number(match[2]);
  const end = (match[3] ?? "stop") as ScriptedEnd;
  const endAfter = match[4] === undefined ? chunks : Number(match[4]);
  if (chunks > scriptedLimits.chunksMax || intervalMs > scriptedLimits.intervalMsMax)
    return undefined;
  return endAfter > chunks ? undefined : { type: "count", chunks, intervalMs, end, endAfter };
}
