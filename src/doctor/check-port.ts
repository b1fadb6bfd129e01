import http from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import type { Config } from "../config.ts";
import { addressesOf, bindAll, closeServer } from "../listener/bind.ts";
import type { DatabaseHolder } from "./check-database.ts";
import { type Finding, reportOf } from "./finding.ts";

const { ok, failed } = reportOf("port");
/** How long whoever has the port may take to say who it is. */
const askTimeoutMs = 2_000;

/** Whether the port is free, or the server has it that has the database, too: `holder`. */
export async function checkPort(
  config: Config,
  holder: DatabaseHolder | undefined,
): Promise<Finding> {
  const { host, port } = config;
  if (port === 0) return ok("any free one");
  const at = `${host} port ${port}`;
  const isHolders = holder?.url.endsWith(`:${port}`) === true;
  try {
    const { servers } = await bindAll(addressesOf(host), port, (socket) => socket.destroy());
    await Promise.all(servers.map(closeServer));
    if (isHolders || !holder?.url) return ok(`${at} is free`);
    return failed(`${at} is free, but ${holder.url} has the database`, ownAdvice);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") return describeTaken(config, at, holder, isHolders);
    const advice =
      code === "EACCES"
        ? "set PORT to one above 1023, or give the server the right to use it (CAP_NET_BIND_SERVICE)"
        : "set HOST to localhost, to an address of this machine, or to 0.0.0.0 for all of them";
    return failed(`${at} cannot be had (${code || message})`, advice);
  }
}

const ownAdvice =
  "a database has one server: stop that one, or set DATABASE_URL to another file; " +
  "if that one is meant, give doctor its settings";

async function describeTaken(
  config: Config,
  at: string,
  holder: DatabaseHolder | undefined,
  isHolders: boolean,
): Promise<Finding> {
  if (isHolders) return ok(`chatwire answers on ${at}`);
  if (!(await isChatwire(config))) {
    return failed(`another program has ${at}`, "stop it, or set PORT to another one");
  }
  // Who has the database, if anybody, has not said where it listens: it may be this one.
  if (holder?.url === "") return ok(`chatwire answers on ${at}`);
  return failed(
    `another chatwire, with another database, has ${at}`,
    "stop it, or set PORT to another one; if that one is meant, set DATABASE_URL as it has it",
  );
}

/** Asks as a client would. A refusal counts, too: its details name chatwire. */
async function isChatwire({ host, port, tls }: Config): Promise<boolean> {
  const isAny = host === "0.0.0.0" || /^[0:]+$/.test(host);
  const { request } = tls ? https : http;
  const answer = Promise.withResolvers<string>();
  const call = request({
    host: isAny ? "localhost" : host,
    port,
    path: "/chat.ChatService/Health",
    method: "POST",
    headers: { "content-type": "application/json", host: `localhost:${port}` },
    agent: false,
    signal: AbortSignal.timeout(askTimeoutMs),
    // Nothing is sent or believed: the certificate does not matter to the question.
    rejectUnauthorized: false,
  });
  call.on("response", (response) => answer.resolve(text(response)));
  call.on("error", answer.reject);
  call.end("{}");
  try {
    return isOurs(JSON.parse(await answer.promise));
  } catch {
    return false;
  }
}

function isOurs(answer: { framework?: unknown; details?: { value?: unknown }[] }): boolean {
  const told = [answer.framework, ...(answer.details ?? []).map(({ value }) => decode(value))];
  return told.some((each) => String(each).includes("chatwire"));
}

function decode(base64: unknown): string {
  return Buffer.from(String(base64), "base64").toString("latin1");
}
