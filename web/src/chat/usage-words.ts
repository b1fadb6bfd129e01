import type { MessageView } from "../session/session-view.ts";

const whole = new Intl.NumberFormat("en");
const seconds = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

/** What a reply cost and how long it took: "gemini · 1,204 in, 310 out · first word 0.4 s · 3.1 s". */
export function usageWords({ model, usage, firstChunkMs, totalMs }: MessageView): string {
  const words = [model];
  if (usage !== undefined) {
    const about = usage.estimated ? "about " : "";
    const input = whole.format(usage.inputTokens);
    const output = whole.format(usage.outputTokens);
    const noun = usage.inputTokens === 1 ? "token" : "tokens";
    words.push(`${about}${input} ${noun} in, ${output} out`);
    if (usage.thinkingTokens > 0) words.push(`${whole.format(usage.thinkingTokens)} thinking`);
  }
  if (firstChunkMs !== undefined)
    words.push(`first word ${seconds.format(firstChunkMs / 1_000)} s`);
  if (totalMs !== undefined) words.push(`${seconds.format(totalMs / 1_000)} s`);
  return words.filter((word) => word !== "").join(" · ");
}
