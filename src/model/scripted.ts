import { textOf, type Usage } from "../chat/message.ts";
import {
  type Model,
  ModelError,
  type ModelPart,
  type ModelProvider,
  type ModelRequest,
} from "../chat/model.ts";
import { createPace, type PaceOptions } from "./pace.ts";
import { parseScript, type Script } from "./scripted-script.ts";

/** How often scripted models were called, and how often a call was aborted before its end. */
export type ScriptedCounters = { calls: number; aborts: number };

export type ScriptedProvider = ModelProvider & { readonly counters: Readonly<ScriptedCounters> };

export type ScriptedOptions = PaceOptions & {
  /** At the start of each call. */
  onCall?: (modelId: string) => void;
  /** Once for each call that is aborted, at that moment. */
  onAbort?: (modelId: string) => void;
};

/** UTF-16 units of one part of `scripted:say`: it cuts surrogate pairs, clusters and words in the middle. */
const sayUnits = 3;

const listed = ["scripted:50x20", "scripted:echo", "scripted:say", "scripted:thoughts"];

/**
 * Models for tests, load and demos that do exactly what their id says (DESIGN section 5):
 *
 * - `scripted:50x20` streams `w1 ` … `w50 `, chunk i due at start + i × 20 ms. After chunk 10
 *   `!unavailable@10` fails like a provider's 503, `!hang@10` goes silent, `!end@10` ends without a finish
 *   reason, `!safety@10` is blocked, `!max_tokens@10` has used its tokens up. At most 100,000 chunks,
 *   60,000 ms apart, and the cut not past the last chunk; any other id is not ours.
 * - `scripted:echo` returns in one chunk, as JSON, what a provider would be given: `systemInstruction`,
 *   `messages` with `role` and `parts` (thoughts left out), `generation`.
 * - `scripted:say` returns the user's last message byte for byte, three UTF-16 units a part, so that
 *   parts begin and end inside emoji, combining sequences and words.
 * - `scripted:thoughts` gives the thoughts `t1 t2 t3 ` where `includeThoughts` asks for them, and then
 *   `w1 w2 w3 `.
 *
 * A chunk counts as one token. A generation config changes nothing but that.
 */
export function createScriptedProvider(options: ScriptedOptions = {}): ScriptedProvider {
  const counters: ScriptedCounters = { calls: 0, aborts: 0 };
  const model = (modelId: string): Model | undefined => {
    const script = parseScript(modelId);
    return script && createScriptedModel(modelId, script, counters, options);
  };
  const models = listed.map(model).filter((found) => found !== undefined);
  return { name: "scripted", models, model, counters };
}

function createScriptedModel(
  modelId: string,
  script: Script,
  counters: ScriptedCounters,
  options: ScriptedOptions,
): Model {
  return {
    info: {
      modelId,
      displayName: `Scripted ${modelId.slice("scripted:".length)}`,
      provider: "scripted",
      contextTokensMax: 1_048_576,
      outputTokensMax: 100_000,
      supportsAttachments: false,
      supportsThoughts: script.type === "thoughts",
    },
    async *generate(request, signal) {
      if (signal.aborted) return;
      counters.calls += 1;
      options.onCall?.(modelId);
      let over = false;
      const abort = () => {
        if (over) return;
        over = true;
        counters.aborts += 1;
        options.onAbort?.(modelId);
      };
      signal.addEventListener("abort", abort, { once: true });
      try {
        for await (const part of perform(script, request, signal, options)) {
          if (signal.aborted) return;
          if (part.type === "finish") over = true;
          yield part;
        }
        over = true;
      } catch (error) {
        over = true;
        throw error;
      } finally {
        signal.removeEventListener("abort", abort);
        abort();
      }
    },
  };
}

function perform(
  script: Script,
  request: ModelRequest,
  signal: AbortSignal,
  options: PaceOptions,
): AsyncIterable<ModelPart> {
  switch (script.type) {
    case "count":
      return count(script, request, signal, options);
    case "echo":
      return inOneGo([{ type: "text", text: echoOf(request) }], request, signal);
    case "say":
      return inOneGo(cut(lastUserText(request)), request, signal);
    case "thoughts":
      return inOneGo(thoughtsThenText(request), request, signal);
  }
}

async function* count(
  script: Script & { type: "count" },
  request: ModelRequest,
  signal: AbortSignal,
  options: PaceOptions,
): AsyncGenerator<ModelPart> {
  const due = createPace(script.intervalMs, signal, options);
  for (let index = 1; index <= script.endAfter; index += 1) {
    await due(index);
    if (signal.aborted) return;
    yield { type: "text", text: `w${index} ` };
  }
  switch (script.end) {
    case "unavailable":
      throw new ModelError(
        "unavailable",
        "MODEL_UNAVAILABLE",
        "the scripted model is unavailable",
        {
          retryable: true,
        },
      );
    case "hang":
      return aborted(signal);
    case "end":
      return;
    default:
      yield { type: "usage", usage: usageOf(request, script.endAfter, 0) };
      yield { type: "finish", reason: script.end };
  }
}

async function* inOneGo(
  parts: readonly ModelPart[],
  request: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<ModelPart> {
  const due = createPace(0, signal);
  for (const [index, part] of parts.entries()) {
    await due(index + 1);
    if (signal.aborted) return;
    yield part;
  }
  const thoughts = parts.filter((part) => part.type === "thought").length;
  yield { type: "usage", usage: usageOf(request, parts.length - thoughts, thoughts) };
  yield { type: "finish", reason: "stop" };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function echoOf({ systemInstruction, messages, generation }: ModelRequest): string {
  const given = messages.map(({ role, parts }) => ({
    role,
    parts: parts.filter((part) => part.type === "text"),
  }));
  return JSON.stringify({ systemInstruction, messages: given, generation });
}

function lastUserText({ messages }: ModelRequest): string {
  return textOf(messages.findLast(({ role }) => role === "user")?.parts ?? []);
}

function cut(text: string): ModelPart[] {
  const parts: ModelPart[] = [];
  for (let start = 0; start < text.length; start += sayUnits) {
    parts.push({ type: "text", text: text.slice(start, start + sayUnits) });
  }
  return parts;
}

function thoughtsThenText({ generation }: ModelRequest): ModelPart[] {
  const numbers = [1, 2, 3];
  const thoughts = generation.includeThoughts ? numbers : [];
  return [
    ...thoughts.map((n): ModelPart => ({ type: "thought", text: `t${n} ` })),
    ...numbers.map((n): ModelPart => ({ type: "text", text: `w${n} ` })),
  ];
}

/** Input: the words of everything that was given. */
function usageOf(request: ModelRequest, outputTokens: number, thinkingTokens: number): Usage {
  const texts = [request.systemInstruction, ...request.messages.map(({ parts }) => textOf(parts))];
  const inputTokens = texts.reduce((sum, text) => sum + (text.match(/\S+/g)?.length ?? 0), 0);
  return {
    inputTokens,
    outputTokens,
    thinkingTokens,
    cachedTokens: 0,
    totalTokens: inputTokens + outputTokens + thinkingTokens,
    estimated: false,
  };
}
