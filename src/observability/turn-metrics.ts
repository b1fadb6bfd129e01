import { Counter, Histogram, type Registry } from "prom-client";
import { ChatError } from "../chat/errors.ts";
import type { RunObserver } from "../chat/observer.ts";
import type { Turn, TurnEnd } from "../chat/turn.ts";
import type { ModelNames } from "./model-names.ts";

/** What the engine's turns are counted and measured by. */
export interface TurnMetrics {
  turnStarted(turn: Turn): RunObserver;
  turnEnded(end: TurnEnd): void;
  turnRefused(error: unknown): void;
}

export type TurnMetricsOptions = {
  registry: Registry;
  names: Pick<ModelNames, "labelOf">;
  /** Milliseconds since 1970 UTC. */
  now: () => number;
};

export function createTurnMetrics({ registry, names, now }: TurnMetricsOptions): TurnMetrics {
  const { ended, duration, firstChunk, chunkGap, queued, chunks, tokens, refused } =
    registerTurns(registry);
  return {
    turnStarted(turn) {
      queued.observe(Math.max(0, now() - turn.createdAt) / 1_000);
      const model = names.labelOf(turn.model);
      // Looked up once, since it is needed for each part of the reply.
      const gaps = chunkGap.labels(model);
      return {
        traceParent: undefined,
        firstChunk: (elapsedMs) => firstChunk.observe({ model }, elapsedMs / 1_000),
        nextChunk: (gapMs) => gaps.observe(gapMs / 1_000),
        ended: () => undefined,
      };
    },
    turnEnded({ model: modelId, finishReason, processingMs, totalChunks, usage }) {
      const model = names.labelOf(modelId);
      ended.inc({ model, finish_reason: finishReason });
      duration.observe({ model }, processingMs / 1_000);
      chunks.inc({ model }, totalChunks);
      tokens.inc({ model, type: "input" }, usage.inputTokens);
      tokens.inc({ model, type: "output" }, usage.outputTokens);
      tokens.inc({ model, type: "thinking" }, usage.thinkingTokens);
      tokens.inc({ model, type: "cached" }, usage.cachedTokens);
    },
    turnRefused: (error) => refused.inc({ reason: reasonOf(error) }),
  };
}

/** One of the reasons of docs/errors.md; what nobody expected is INTERNAL. */
function reasonOf(error: unknown): string {
  return error instanceof ChatError ? error.reason : "INTERNAL";
}

function registerTurns(registry: Registry) {
  const registers = [registry];
  const byModel = { labelNames: ["model"] as const, registers };
  return {
    ended: new Counter({
      name: "chatwire_turns_ended_total",
      help: "Turns ended, by model and finish reason; those that never ran among them.",
      labelNames: ["model", "finish_reason"],
      registers,
    }),
    refused: new Counter({
      name: "chatwire_turns_refused_total",
      help: "Requests for a turn that were refused before there was one, by the reason of docs/errors.md.",
      labelNames: ["reason"],
      registers,
    }),
    queued: new Histogram({
      name: "chatwire_turn_queued_seconds",
      help: "From a turn's creation to the begin of its run.",
      buckets: [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1_800],
      registers,
    }),
    duration: new Histogram({
      name: "chatwire_turn_duration_seconds",
      help: "From the begin of a turn's run to its end.",
      buckets: [0.05, 0.25, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640],
      ...byModel,
    }),
    firstChunk: new Histogram({
      name: "chatwire_turn_first_chunk_seconds",
      help: "From the begin of a turn's run to the first part of the reply.",
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128],
      ...byModel,
    }),
    chunkGap: new Histogram({
      name: "chatwire_turn_chunk_gap_seconds",
      help: "Between two parts of a reply as they come from the model.",
      buckets: [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
      ...byModel,
    }),
    chunks: new Counter({
      name: "chatwire_turn_chunks_total",
      help: "Chunks recorded, counted when their turn ends.",
      ...byModel,
    }),
    tokens: new Counter({
      name: "chatwire_tokens_total",
      help: "Tokens of the turns that ended, as the provider says or else as we estimate; the input holds the cached ones.",
      labelNames: ["model", "type"],
      registers,
    }),
  };
}
