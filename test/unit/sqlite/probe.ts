import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { eventLogModule } from "../../../src/event-log/sqlite.ts";
import {
  type Caller,
  createCaller,
  createReader,
  type Database,
  type DatabaseOptions,
  openDatabase,
  type Reader,
} from "../../../src/sqlite/database.ts";
import { storeModule } from "../../../src/store/sqlite.ts";
import type { ProbeOperations, ProbeReads } from "./probe-operations.ts";

export const probeModule: URL = new URL("./probe-operations.ts", import.meta.url);

/** A folder of the test's own, gone afterwards. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "chatwire-test-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export type Probe = {
  database: Database;
  probe: Caller<ProbeOperations>;
  read: Reader<ProbeReads>;
};

/** Opens a database with every module there is and the probe's; closed after the test. */
export async function openProbe(
  t: TestContext,
  file: string,
  options: Partial<DatabaseOptions> = {},
): Promise<Probe> {
  const database = await openDatabase({
    file,
    durability: "normal",
    modules: [storeModule, eventLogModule, probeModule],
    owner: { url: "" },
    ...options,
  });
  t.after(() => database.close());
  const probe = createCaller<ProbeOperations>(database, "probe");
  return { database, probe, read: createReader<ProbeReads>(database, "probe") };
}
