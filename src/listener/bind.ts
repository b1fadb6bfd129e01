import net, { type AddressInfo, type Server, type Socket } from "node:net";
import os from "node:os";

/** The port could not be had. `code` is the system's: EADDRINUSE, EACCES, ENOTFOUND, EADDRNOTAVAIL … */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: string;
  readonly host: string;
  readonly port: number;

  constructor(cause: NodeJS.ErrnoException, host: string, port: number) {
    super(`cannot listen on ${host} port ${port}: ${cause.message}`, { cause });
    this.code = cause.code ?? "UNKNOWN";
    this.host = host;
    this.port = port;
  }
}

/** Errors of a machine that does not have an address, or not its whole family. */
const noSuchAddress = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ENOTSUP"]);

/** How often to ask the system for another free port when only one of the addresses has it free. */
const freePortTriesMax = 20;

/** The addresses behind a HOST: `localhost` is both loopback addresses, whatever the hosts file says. */
export function addressesOf(host: string): [string, ...string[]] {
  return host.toLowerCase() === "localhost" ? ["127.0.0.1", "::1"] : [host];
}

/**
 * Listens on one port of every address. The first address is needed; a further one that the machine does not
 * have is left out. Port 0 is any port that is free on all of them. Rejects with the system's error, holding
 * no port.
 */
export async function bindAll(
  addresses: readonly [string, ...string[]],
  port: number,
  onConnection: (socket: Socket) => void,
): Promise<{ servers: Server[]; port: number }> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await bindOnce(addresses, port, onConnection);
    } catch (error) {
      const taken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      if (!taken || port !== 0 || tries === freePortTriesMax) throw error;
    }
  }
}

async function bindOnce(
  [first, ...others]: readonly [string, ...string[]],
  wantedPort: number,
  onConnection: (socket: Socket) => void,
): Promise<{ servers: Server[]; port: number }> {
  const server = await bind(first, wantedPort, onConnection);
  const servers = [server];
  const { port } = server.address() as AddressInfo;
  for (const address of others) {
    try {
      servers.push(await bind(address, port, onConnection));
    } catch (error) {
      if (noSuchAddress.has((error as NodeJS.ErrnoException).code ?? "")) continue;
      await Promise.all(servers.map(closeServer));
      throw error;
    }
  }
  return { servers, port };
}

function bind(host: string, port: number, onConnection: (socket: Socket) => void): Promise<Server> {
  // TCP keep-alive finds the dead peers that HTTP/1.1 has no PING for.
  const server = net.createServer(
    { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 },
    onConnection,
  );
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve(server);
    });
  });
}

/** Stops accepting; resolves when the server's last connection is gone too. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

/** Where a person on this machine or its network can reach the port, most useful first. */
export function urlsOf(scheme: "http" | "https", host: string, port: number): string[] {
  const names = net.isIP(host) !== 0 && isWildcard(host) ? reachableNames(host) : [host];
  return names.map((name) => `${scheme}://${name.includes(":") ? `[${name}]` : name}:${port}`);
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || /^[0:]+$/.test(host);
}

function reachableNames(wildcard: string): string[] {
  const external = Object.values(os.networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family }) => !internal && (family === "IPv4" || wildcard !== "0.0.0.0"))
    // A link-local address is of no use without its zone.
    .filter(({ address }) => !address.toLowerCase().startsWith("fe80:"))
    .map(({ address }) => address);
  return ["localhost", ...external];
}
