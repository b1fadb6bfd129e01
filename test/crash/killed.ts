import { localCaller } from "../../src/chat/caller.ts";
// A server without a wire that kills itself at a chosen step of its storage:
//   node killed.ts <converse|recover> <database> <journal> <step, 0 for none>
// Started by kill-points.test.ts.
import { newId, systemClock } from "../../src/chat/clock.ts";
import { createEngine } from "../../src/chat/engine.ts";
import { createModelCatalog } from "../../src/chat/model-catalog.ts";
import { loadConfig } from "../../src/config.ts";
import { openStorage } from "../../src/storage.ts";
import { openAdmission } from "../support/admission.ts";
import { createCall } from "../support/calls.ts";
import { watchRequest } from "../support/engine.ts";
import { silentRun } from "../support/silent-run.ts";
import { converse, createTalk } from "./conversation.ts";
import { openJournal } from "./journal.ts";
import { withKillPoints } from "./kill-points.ts";
import { createStepProvider } from "./step-model.ts";

const [mode, database = "", journalFile = "", killAt = "0"] = process.argv.slice(2);
const config = loadConfig({ env: { DATABASE_URL: `sqlite:${database}`, DURABILITY: "normal" } });
const journal = openJournal(journalFile);
const isConversation = mode === "converse";

let points = 0;
const storage = withKillPoints(await openStorage(config), (name) => {
  points += 1;
  journal.write({ type: "step", name });
  if (points === Number(killAt)) process.kill(process.pid, "SIGKILL");
});
const provider = createStepProvider({
  onCall: (model) => journal.write({ type: "called", model }),
  ...(isConversation && { afterChunk: (model, chunk) => talk.chunk(model, chunk) }),
  hangs: isConversation,
});
const engine = createEngine({
  ...storage,
  models: createModelCatalog({ providers: [provider], defaultModel: "step:plain:1:stop" }),
  clock: systemClock,
  newId,
  timeouts: config,
  runningTurnsMax: config.runningTurnsMax,
  queuedTurnsMax: config.queuedTurnsMax,
  watchersMax: 100,
  disconnectGraceMs: config.disconnectGraceMs,
  sessionTtlMs: 0,
  admission: openAdmission,
  owner: `pid ${process.pid}`,
  observer: {
    turnStarted: () => silentRun,
    turnRefused: () => undefined,
    turnEnded: () => undefined,
    turnFailed: () => undefined,
    sessionsExpired: () => undefined,
    expiryFailed: () => undefined,
  },
});
const talk = createTalk(engine, journal);
await engine.recover();
if (isConversation) await converse(talk);
else await untilIdle();
await engine.close(10_000);
await storage.close();

async function untilIdle(): Promise<void> {
  const { items } = await engine.listSessions(localCaller, {
    pageSize: 10,
    pageToken: "",
    query: "",
  });
  for (const { sessionId } of items) {
    const request = watchRequest({ sessionId, untilIdle: true });
    for await (const _ of engine.watchSession(localCaller, request, createCall()));
  }
}
