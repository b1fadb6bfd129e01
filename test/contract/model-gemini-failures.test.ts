import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ModelPart } from "../../src/chat/model.ts";
import { textChunk } from "../support/fake-gemini-server.ts";
import { apiKeyInvalid } from "../support/gemini-refusals.ts";
import {
  cutsTheJson,
  fails,
  failsMidStream,
  isOverloaded,
  isRateLimited,
  resetsTheSocket,
  streams,
  streamsAndHangs,
  streamsThen,
} from "../support/gemini-scenarios.ts";
import { generateAll, requestOf, textIn } from "../support/model-requests.ts";

import { done, openGemini } from "../support/open-gemini.ts";

suite("how Gemini fails", () => {
  const wordings = [
    {
      name: "a wrong key (400 API_KEY_INVALID)",
      scenario: fails(400, "INVALID_ARGUMENT", "API key not valid.", apiKeyInvalid.error.details),
      expected: { kind: "failed_precondition", reason: "MODEL_KEY_REJECTED", retryable: false },
    },
    {
      name: "401",
      scenario: fails(401, "UNAUTHENTICATED", "Expected OAuth 2 access token"),
      expected: { kind: "failed_precondition", reason: "MODEL_KEY_REJECTED", retryable: false },
    },
    {
      name: "403",
      scenario: fails(403, "PERMISSION_DENIED", "Your API key was reported as leaked."),
      expected: { kind: "failed_precondition", reason: "MODEL_KEY_REJECTED", retryable: false },
    },
    {
      name: "404",
      scenario: fails(404, "NOT_FOUND", "models/x is not found"),
      expected: { kind: "failed_precondition", reason: "MODEL_RETIRED", retryable: false },
    },
    {
      name: "400",
      scenario: fails(400, "INVALID_ARGUMENT", "Thinking level is not supported"),
      expected: {
        kind: "invalid_argument",
        reason: "MODEL_REFUSED_REQUEST",
        message: "Gemini refused the request: Thinking level is not supported",
      },
    },
    {
      name: "a region that is not served",
      scenario: fails(400, "FAILED_PRECONDITION", "User location is not supported"),
      expected: { kind: "failed_precondition", reason: "MODEL_REFUSED_REQUEST", retryable: false },
    },
    {
      name: "a delay longer than the budget",
      scenario: isRateLimited("34.074824224s"),
      expected: {
        kind: "resource_exhausted",
        reason: "MODEL_RATE_LIMITED",
        retryable: true,
        retryAfterMs: 34_075,
      },
    },
    {
      name: "an error in mid stream",
      scenario: failsMidStream(textChunk("begun ")),
      expected: { kind: "unavailable", reason: "MODEL_UNAVAILABLE", retryable: true },
    },
    {
      name: "JSON that is cut",
      scenario: cutsTheJson(textChunk("begun ")),
      expected: { kind: "unavailable", reason: "MODEL_UNAVAILABLE", retryable: true },
    },
    {
      name: "JSON that is none",
      scenario: streamsThen([textChunk("begun ")], async ({ raw, end }) => {
        await raw("data: <html>\r\n\r\n");
        await end();
      }),
      expected: { kind: "unavailable", reason: "MODEL_UNAVAILABLE", retryable: true },
    },
    {
      name: "a reset in mid stream",
      scenario: resetsTheSocket(textChunk("begun ")),
      expected: { kind: "unavailable", reason: "MODEL_UNAVAILABLE", retryable: true },
    },
  ] as const;
  for (const { name, scenario, expected } of wordings) {
    test(`${name} is ${expected.reason}, and is not tried again`, async (t) => {
      const { server, model } = await openGemini(t);
      server.enqueue(scenario);
      await assert.rejects(generateAll(model, requestOf("Hello")), expected);
      assert.equal(server.requests.length, 1);
    });
  }

  test("what came before a break in mid stream is yielded", async (t) => {
    const { server, model } = await openGemini(t);
    server.enqueue(cutsTheJson(textChunk("begun ")));
    const parts: ModelPart[] = [];
    const read = async () => {
      for await (const part of model.generate(requestOf("Hello"), new AbortController().signal)) {
        parts.push(part);
      }
    };
    await assert.rejects(read());
    assert.equal(textIn(parts), "begun ");
  });

  test("429 is tried again after the delay that it asks for", async (t) => {
    const { server, model, pauses, logged } = await openGemini(t);
    server.enqueue(isRateLimited("2.5s"), streams(done));
    assert.equal(textIn(await generateAll(model, requestOf("Hello"))), "done");
    assert.deepEqual(pauses, [2_500]);
    assert.deepEqual(logged, [
      { model: "gemini-3.8-flash", attempt: 1, delayMs: 2_500, reason: "MODEL_RATE_LIMITED" },
    ]);
  });

  test("503 and a lost connection are tried again, longer apart each time", async (t) => {
    const { server, model, pauses } = await openGemini(t);
    server.enqueue(isOverloaded(), resetsTheSocket(), isOverloaded(), streams(done));
    assert.equal(textIn(await generateAll(model, requestOf("Hello"))), "done");
    assert.deepEqual(pauses, [250, 500, 1_000]);
  });

  test("after four attempts the failure is the call's", async (t) => {
    const { server, model } = await openGemini(t);
    server.usually(isOverloaded());
    await assert.rejects(generateAll(model, requestOf("Hello")), {
      kind: "unavailable",
      reason: "MODEL_OVERLOADED",
    });
    assert.equal(server.requests.length, 4);
  });

  test("an abort ends the pause before another attempt at once", { timeout: 10_000 }, async (t) => {
    const { server, model } = await openGemini(t, { sleep: undefined });
    server.enqueue(isRateLimited("29s"));
    const controller = new AbortController();
    const parts = generateAll(model, requestOf("Hello"), controller.signal);
    await (await server.arrived(0)).outcome;
    controller.abort();
    assert.deepEqual(await parts, []);
    assert.equal(server.requests.length, 1);
  });

  test("a server that is not there is MODEL_UNREACHABLE", async (t) => {
    const { server, model } = await openGemini(t);
    await server.close();
    await assert.rejects(generateAll(model, requestOf("Hello")), {
      kind: "unavailable",
      reason: "MODEL_UNREACHABLE",
      retryable: true,
    });
  });

  test("a reply that hangs after a first part keeps what it had when it is aborted", async (t) => {
    const { server, model } = await openGemini(t);
    server.enqueue(streamsAndHangs(textChunk("Once ")));
    const controller = new AbortController();
    const parts: ModelPart[] = [];
    for await (const part of model.generate(requestOf("Hello"), controller.signal)) {
      parts.push(part);
      if (part.type === "usage") controller.abort();
    }
    assert.equal(textIn(parts), "Once ");
    assert.equal(await server.requests[0]?.outcome, "aborted");
  });

  test("a schema that is not JSON is refused before a call", async (t) => {
    const { server, model } = await openGemini(t);
    const request = requestOf("Hello", { generation: { responseJsonSchema: "{" } });
    await assert.rejects(generateAll(model, request), { kind: "invalid_argument" });
    assert.equal(server.requests.length, 0);
  });
});
