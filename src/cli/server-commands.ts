import { performance } from "node:perf_hooks";
import type { ChatCommand } from "./commands.ts";
import { describeModels, describeStats } from "./describe.ts";

const pingTimeoutMs = 5_000;

/** The commands about the server. */
export const serverCommands: readonly ChatCommand[] = [
  {
    name: "/models",
    takes: "",
    help: "list the models that can be asked",
    async run({ connection, screen }) {
      await screen.table(describeModels((await connection.client.listModels()).models));
    },
  },
  {
    name: "/stats",
    takes: "",
    help: "show what the server has done since it started",
    async run({ connection, screen }) {
      await screen.table(describeStats(await connection.client.getServerStats()));
    },
  },
  {
    name: "/ping",
    takes: "",
    help: "measure how long the server takes to answer",
    async run({ connection, screen }) {
      const start = performance.now();
      const { healthy, message, pingMs } = await connection.health(pingTimeoutMs);
      const tookMs = performance.now() - start;
      const times = `answered in ${tookMs.toFixed(1)} ms, its storage in ${pingMs.toFixed(1)} ms`;
      await screen.line(healthy ? times : `${times}; it is not well: ${message}`);
    },
  },
];
