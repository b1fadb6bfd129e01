// The real server, with scripted models that note each of their calls in a file:
//   node server.ts <database> <file for the calls> <port, 0 for any>
// It says "listens on <port>" and runs until it is killed.
import { openSync, writeSync } from "node:fs";
import { buildApp } from "../../src/app.ts";
import { textOf } from "../../src/chat/message.ts";
import type { Model, ModelProvider } from "../../src/chat/model.ts";
import { loadConfig } from "../../src/config.ts";
import { createScriptedProvider } from "../../src/model/scripted.ts";

const [database = "", callsFile = "", port = "0"] = process.argv.slice(2);
const calls = openSync(callsFile, "a");
const env = {
  DATABASE_URL: `sqlite:${database}`,
  PORT: port,
  LOG_LEVEL: "silent",
  // So that retention, replay from stored turns and archive take part.
  EVENT_RETENTION_MS: "2000",
  HEARTBEAT_MS: "1000",
};

/** Notes the question before its model answers; `kill -9` does not take it back. */
function noting(model: Model): Model {
  return {
    info: model.info,
    generate(request, signal) {
      writeSync(calls, `${textOf(request.messages.at(-1)?.parts ?? [])}\n`);
      return model.generate(request, signal);
    },
  };
}

const scripted = createScriptedProvider();
const provider: ModelProvider = {
  name: scripted.name,
  models: scripted.models.map(noting),
  model(modelId) {
    const model = scripted.model(modelId);
    return model && noting(model);
  },
};
const app = await buildApp(loadConfig({ env }), { providers: [provider] });
const at = await app.listen();
process.stdout.write(`listens on ${at.port}\n`);
