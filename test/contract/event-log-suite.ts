import { describe, type TestContext } from "node:test";
import type { EventLogOptions, RetainedEventLog } from "../../src/event-log/log.ts";
import { appendTests } from "./event-log-append-tests.ts";
import { endTests } from "./event-log-end-tests.ts";
import { fenceTests } from "./event-log-fence-tests.ts";
import { keepingTests } from "./event-log-keeping-tests.ts";
import { readerTests } from "./event-log-reader-tests.ts";
import { retentionTests } from "./event-log-retention-tests.ts";
import { viewTests } from "./event-log-view-tests.ts";
import { waitingTests } from "./event-log-waiting-tests.ts";

/** Makes a log that is closed after the test; `options` are over those that keep everything. */
export type CreateEventLog = (
  t: Pick<TestContext, "after">,
  options?: Partial<EventLogOptions>,
) => Promise<RetainedEventLog>;

export const keepEverything = {
  retentionMs: Number.MAX_SAFE_INTEGER,
  retentionBytes: Number.MAX_SAFE_INTEGER,
};

/** What event-log.ts promises, on the log that `create` makes. */
export function eventLogSuite(name: string, create: CreateEventLog): void {
  describe(`event log ${name}: appends`, () => appendTests(create));
  describe(`event log ${name}: fences and repetition`, () => fenceTests(create));
  describe(`event log ${name}: readers`, () => readerTests(create));
  describe(`event log ${name}: any interleaving`, () => viewTests(create));
  describe(`event log ${name}: retention`, () => retentionTests(create));
  describe(`event log ${name}: turns that wait`, () => waitingTests(create));
  describe(`event log ${name}: what is kept`, () => keepingTests(create));
  describe(`event log ${name}: ends`, () => endTests(create));
}
