import type { FastifyInstance, FastifyReply } from "fastify";

/**
 * On every answer, a Connect GET's and a refusal's included: what somebody said to a model is nobody else's, so
 * no cache keeps it, and nothing is taken for another type than it says.
 */
export const answerHeaders = {
  "cache-control": "private, no-store",
  "x-content-type-options": "nosniff",
} as const;

/**
 * On pages besides: they load and call this server alone, run no inline script and take no inline style, are in nobody's frame, and tell
 * no other site where their reader came from (https://owasp.org/www-project-secure-headers/).
 */
export const pageHeaders = {
  "content-security-policy": [
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
} as const;

/** Sets the headers that every answer has; to be called before anything else answers. */
export function setAnswerHeaders(fastify: FastifyInstance): void {
  fastify.addHook("onRequest", async (_request, reply) => {
    reply.headers(answerHeaders);
  });
}

/** Sets the pages' headers on all routes of this scope. */
export function setPageHeaders(scope: FastifyInstance): void {
  scope.addHook("onRequest", async (_request, reply) => {
    reply.headers(pageHeaders);
  });
}

/** What hooks have set on the reply (CORS, the headers above), for answers that are written to the raw response. */
export function copyHeaders(reply: FastifyReply): void {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value);
  }
}
