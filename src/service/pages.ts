import type { FastifyInstance } from "fastify";
import { framework } from "../version.ts";
import type { Metrics } from "./metrics.ts";

export type PagesOptions = {
  metrics: Metrics;
  /** Resolves when the server can serve; throws why it cannot. */
  checkReady: () => Promise<void>;
};

/** The plain HTTP pages beside the RPCs: what this is, whether it lives, whether it can serve, its metrics. */
export async function mountPages(fastify: FastifyInstance, options: PagesOptions): Promise<void> {
  const { metrics, checkReady } = options;

  fastify.get("/", (request, reply) =>
    reply.type("text/plain; charset=utf-8").send(index(request.host)),
  );

  fastify.get("/healthz", (_request, reply) => reply.type("text/plain").send("ok\n"));

  fastify.get("/readyz", async (_request, reply) => {
    try {
      await checkReady();
      return await reply.type("text/plain").send("ready\n");
    } catch (error) {
      return reply
        .code(503)
        .type("text/plain")
        .send(`${whyOf(error)}\n`);
    }
  });

  fastify.get("/metrics", async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.render()),
  );
}

/** What is wrong, in a line, with what the operating system or the database says of it. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return "not ready";
  // An error that came from the database's thread has its cause as a text.
  const { message, cause } = error;
  const told = cause instanceof Error ? cause.message : cause;
  const [line] = typeof told === "string" ? told.split("\n") : [];
  return line ? `${message} (${line})` : message;
}

function index(host: string): string {
  return `${framework}

A streaming chat service for generative models: gRPC, gRPC-Web, Connect and curl on this one port.

  curl http://${host}/chat.ChatService/SendMessage -H 'content-type: application/json' -d '{"message":"Hello"}'

  /healthz   the process lives
  /readyz    it can serve, or why not
  /metrics   for Prometheus
`;
}
