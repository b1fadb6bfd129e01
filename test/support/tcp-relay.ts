import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";
import type { TestApp } from "./app.ts";

/** A wire to the server that a test can cut: no GOAWAY and no reset of a stream tells either side. */
export type Relay = {
  /** The server behind the wire, for connectLane. */
  readonly app: TestApp;
  cut(): void;
  /** Loses what the server answers from now on, as a half-open connection does, until `cut`. */
  deafen(): void;
};

export async function startRelay(app: TestApp): Promise<Relay> {
  const sockets = new Set<Socket>();
  const answers = new Map<Socket, Socket>();
  const hold = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
  };
  const server = net.createServer((near) => {
    const far = net.connect({ host: "127.0.0.1", port: app.port });
    hold(near);
    hold(far);
    near.pipe(far);
    far.pipe(near);
    // A pipe passes on an end, and no reset.
    near.once("close", () => far.destroy());
    far.once("close", () => near.destroySoon());
    answers.set(far, near);
    far.once("close", () => answers.delete(far));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const deafen = () => {
    for (const [far, near] of answers) far.unpipe(near).resume();
  };
  app.defer(async () => {
    const closed = once(server, "close");
    server.close();
    cut();
    await closed;
  });
  const url = `${app.tls ? "https" : "http"}://127.0.0.1:${port}`;
  return { app: { ...app, url }, cut, deafen };
}
