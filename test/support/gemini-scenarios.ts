import { type GeminiScenario, textChunk } from "./fake-gemini-server.ts";
import { googleError } from "./gemini-refusals.ts";

/** Sends these chunks and ends. */
export function streams(...chunks: unknown[]): GeminiScenario {
  return async ({ send, end }) => {
    for (const chunk of chunks) await send(chunk);
    await end();
  };
}

/** Sends these chunks and then what `then` does. */
export function streamsThen(chunks: unknown[], then: GeminiScenario): GeminiScenario {
  return async (exchange) => {
    for (const chunk of chunks) await exchange.send(chunk);
    await then(exchange);
  };
}

/** Sends these chunks and is silent until the client leaves. */
export function streamsAndHangs(...chunks: unknown[]): GeminiScenario {
  return streamsThen(chunks, () => {});
}

/** Takes the request and answers nothing, no headers either, until `until` resolves; then `then`. */
export function answersLate(until: Promise<void>, then: GeminiScenario): GeminiScenario {
  return async (exchange) => {
    await until;
    await then(exchange);
  };
}

/** The headers at once, the first chunk when `until` resolves. */
export function beginsLate(until: Promise<void>, then: GeminiScenario): GeminiScenario {
  return async (exchange) => {
    await exchange.open();
    await until;
    await then(exchange);
  };
}

export function fails(
  status: number,
  code: string,
  message: string,
  details: unknown[] = [],
): GeminiScenario {
  return ({ json }) => json(status, googleError(status, code, message, details));
}

/** 429 as Gemini words it, with the delay it asks for ("34.07s"). */
export function isRateLimited(retryDelay: string): GeminiScenario {
  return fails(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", [
    {
      "@type": "type.googleapis.com/google.rpc.QuotaFailure",
      violations: [{ quotaMetric: "generativelanguage.googleapis.com/requests", quotaValue: "10" }],
    },
    { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay },
  ]);
}

export function isOverloaded(): GeminiScenario {
  return fails(503, "UNAVAILABLE", "The model is overloaded. Please try again later.");
}

/** A blocked prompt: no candidates. */
export function blocksThePrompt(blockReason = "PROHIBITED_CONTENT"): GeminiScenario {
  return streams({
    promptFeedback: { blockReason },
    usageMetadata: { promptTokenCount: 7, totalTokenCount: 7 },
    modelVersion: "gemini-3.8-flash",
  });
}

/** An error in the middle of a stream that began with 200. */
export function failsMidStream(...chunks: unknown[]): GeminiScenario {
  return streamsThen(chunks, async ({ send, end }) => {
    await send(googleError(503, "UNAVAILABLE", "The service is currently unavailable."));
    await end();
  });
}

/** The stream ends inside a JSON object. */
export function cutsTheJson(...chunks: unknown[]): GeminiScenario {
  return streamsThen(chunks, async ({ raw, end }) => {
    const whole = `data: ${JSON.stringify(textChunk("lost"))}`;
    await raw(whole.slice(0, whole.length / 2));
    await end();
  });
}

export function resetsTheSocket(...chunks: unknown[]): GeminiScenario {
  return streamsThen(chunks, ({ reset }) => reset());
}
