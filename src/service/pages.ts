import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { ChatError } from "../chat/errors.ts";
import { framework } from "../version.ts";
import { authChallenge } from "./gate.ts";
import { pageHeaders, setPageHeaders } from "./response-headers.ts";
import {
  builtPages,
  findStaticPages,
  mountStaticPages,
  type StaticPages,
  sendPage,
} from "./static-pages.ts";

export type PagesOptions = {
  /** In Prometheus' text format. */
  metrics: { render(): Promise<string>; readonly contentType: string };
  /** Resolves when the server can serve; throws why it cannot. */
  checkReady: () => Promise<void>;
  /** Throws ChatError where this request's sender may not see the metrics. */
  allowMetrics: (request: FastifyRequest) => Promise<void>;
  /** The folder of the built browser client; by default where `npm ci` builds it. */
  pagesFolder?: string;
};

/**
 * The plain HTTP pages beside the RPCs: the browser client, what this is for whoever asks without a browser,
 * whether it lives, whether it can serve, its metrics.
 */
export async function mountPages(fastify: FastifyInstance, options: PagesOptions): Promise<void> {
  const pages = findStaticPages(options.pagesFolder ?? builtPages);
  await fastify.register(async (scope) => {
    setPageHeaders(scope);
    addPages(scope, options, pages);
  });
  if (pages !== undefined) addMissingPage(fastify, pages);
}

function addPages(
  fastify: FastifyInstance,
  { metrics, checkReady, allowMetrics }: PagesOptions,
  pages: StaticPages | undefined,
): void {
  if (pages !== undefined) mountStaticPages(fastify, pages);
  fastify.get("/", (request, reply) => {
    if (pages !== undefined && wantsHtml(request)) return sendPage(request, reply, pages);
    const text = index(request.host, pages !== undefined);
    return reply.header("vary", "accept").type("text/plain; charset=utf-8").send(text);
  });

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

  fastify.get("/metrics", async (request, reply) => {
    try {
      await allowMetrics(request);
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      return refuse(reply, error);
    }
    return reply.type(metrics.contentType).send(await metrics.render());
  });
}

/** A browser gets the page at any other address as well, which says that there is nothing; others get a 404. */
function addMissingPage(fastify: FastifyInstance, pages: StaticPages): void {
  fastify.get("/*", (request, reply) => {
    if (!wantsHtml(request)) return reply.callNotFound();
    return sendPage(request, reply.code(404).headers(pageHeaders), pages);
  });
}

function refuse(reply: FastifyReply, { kind, message }: ChatError): FastifyReply {
  const status = { unauthenticated: 401, permission_denied: 403 }[kind as string] ?? 503;
  if (status === 401) reply.header("www-authenticate", authChallenge);
  return reply.code(status).type("text/plain").send(`${message}\n`);
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

/** Browsers say so; curl says that it takes anything. */
function wantsHtml({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes("text/html") === true;
}

function index(host: string, hasPage: boolean): string {
  return `${framework}

A streaming chat service for generative models: gRPC, gRPC-Web, Connect and curl on this one port.

  curl http://${host}/chat.ChatService/SendMessage -H 'content-type: application/json' -d '{"message":"Hello"}'

${hasPage ? "  /          a chat page, in a browser" : "  /          no chat page: it is not built here; `npm ci` builds it"}
  /healthz   the process lives
  /readyz    it can serve, or why not
  /metrics   for Prometheus
`;
}
