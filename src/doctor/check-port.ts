import http from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import type { Config } from "../config.ts";
import { addressesOf, bindAll, closeServer } from "../listener/bind.ts";
import { type Finding, reportOf } from "./finding.ts";

const { ok, failed } = reportOf("port");
/** How long whoever has the port may take to say who it is. */
const askTimeoutMs = 2_000;

/** Whether the port is free, or our own server has it: the one at `holderUrl` has the database. */
export async function checkPort(config: Config, holderUrl: string): Promise<Finding> {
  const { host, port } = config;
  if (port === 0) return ok("any free one");
  const at = `${host} port ${port}`;
  try {
    const { servers } = await bindAll(addressesOf(host), port, (socket) => socket.destroy());
    await Promise.all(servers.map(closeServer));
    return ok(`${at} is free`);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") {
      const ours = holderUrl.endsWith(`:${port}`) || (await isChatwire(config));
      if (ours) return ok(`chatwire answers on ${at}`);
      return failed(`another program has ${at}`, "stop it, or set PORT to another one");
    }
    const advice =
      code === "EACCES"
        ? "set PORT to one above 1023, or give the server the right to use it (CAP_NET_BIND_SERVICE)"
        : "set HOST to localhost, to an address of this machine, or to 0.0.0.0 for all of them";
    return failed(`${at} cannot be had (${code || message})`, advice);
  }
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
