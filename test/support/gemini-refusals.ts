import type { GeminiRequest } from "./fake-gemini-server.ts";

/** Google's shape of an error (google.aip.dev/193). */
export function googleError(
  code: number,
  status: string,
  message: string,
  details: unknown[] = [],
) {
  return { error: { code, message, status, ...(details.length > 0 && { details }) } };
}

export type Refusal = ReturnType<typeof googleError>;

/** What the real server would refuse the request with, or undefined. */
export function refuse(
  request: GeminiRequest,
  apiKey: string,
  models: readonly string[] | undefined,
): Refusal | undefined {
  return refuseKey(request, apiKey) ?? refuseModel(request, models) ?? refuseBody(request);
}

function refuseKey({ headers }: GeminiRequest, apiKey: string): Refusal | undefined {
  if (headers.authorization === `Bearer ${apiKey}`) return undefined;
  const key = headers["x-goog-api-key"];
  if (key === undefined) {
    return googleError(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.");
  }
  return key === apiKey ? undefined : apiKeyInvalid;
}

/** What Gemini says to a key that it does not know: not 401 but 400. */
export const apiKeyInvalid: Refusal = googleError(
  400,
  "INVALID_ARGUMENT",
  "API key not valid. Please pass a valid API key.",
  [
    {
      "@type": "type.googleapis.com/google.rpc.ErrorInfo",
      reason: "API_KEY_INVALID",
      domain: "googleapis.com",
      metadata: { service: "generativelanguage.googleapis.com" },
    },
  ],
);

function refuseModel(
  { rpc, model, apiVersion }: GeminiRequest,
  models: readonly string[] | undefined,
): Refusal | undefined {
  if (rpc === "unknown") return googleError(404, "NOT_FOUND", "Requested entity was not found.");
  if (model === "" || !models || models.includes(model)) return undefined;
  const message = `models/${model} is not found for API version ${apiVersion}, or is not supported for generateContent.`;
  return googleError(404, "NOT_FOUND", message);
}

const bodyFields = new Set(["contents", "systemInstruction", "generationConfig", "store"]);

function refuseBody({ rpc, body, apiVersion }: GeminiRequest): Refusal | undefined {
  if (rpc !== "streamGenerateContent") return undefined;
  const unknown = Object.keys(body).find(
    (field) => !bodyFields.has(field) || (field === "store" && apiVersion === "v1beta1"),
  );
  if (unknown) {
    const message = `Invalid JSON payload received. Unknown name "${unknown}": Cannot find field.`;
    return googleError(400, "INVALID_ARGUMENT", message);
  }
  for (const { role, parts } of body.contents ?? []) {
    if (role !== "user" && role !== "model") {
      return googleError(400, "INVALID_ARGUMENT", "Please use a valid role: user, model.");
    }
    if (!parts?.length) {
      const message = "* GenerateContentRequest.contents.parts: contents.parts must not be empty.";
      return googleError(400, "INVALID_ARGUMENT", message);
    }
  }
  return body.contents?.length
    ? undefined
    : googleError(
        400,
        "INVALID_ARGUMENT",
        "* GenerateContentRequest.contents: contents is not specified",
      );
}
