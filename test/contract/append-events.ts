import { systemClock } from "../../src/chat/clock.ts";
import { createSqliteEventLog, eventLogModule } from "../../src/event-log/sqlite.ts";
import { openDatabase } from "../../src/sqlite/database.ts";
import { storeModule } from "../../src/store/sqlite.ts";
import { probeModule } from "../unit/sqlite/probe.ts";
import { updateOf } from "./event-log-samples.ts";
import { keepEverything } from "./event-log-suite.ts";

// Appends to three sessions of the log in the file that its argument names, printing each sequence once it
// is acknowledged, until it is killed.
const [file = ""] = process.argv.slice(2);
const database = await openDatabase({
  file,
  durability: "normal",
  modules: [storeModule, eventLogModule, probeModule],
  owner: { url: "" },
});
const log = await createSqliteEventLog(database, { ...keepEverything, clock: systemClock });

async function append(sessionId: string): Promise<never> {
  for (;;) {
    const { lastSequence } = await log.append(updateOf(sessionId, "one", "two"));
    process.stdout.write(`${sessionId} ${lastSequence}\n`);
  }
}

await Promise.all(["s1", "s2", "s3"].map(append));
