import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { unknownRpcName } from "../../src/service/refused-calls.ts";
import { rpcAccess } from "../../src/service/scopes.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { version } from "../../src/version.ts";
import { request, startApp, type TestApp, untilMetrics } from "../support/app.ts";
import { createKeyFolder, createTestKey, writeKeys } from "../support/keys.ts";
import { connectLane, lanes, plainLanes } from "../support/lanes.ts";
import { openStreamChat } from "../support/stream-call.ts";
import { codeRows, readRepositoryFile } from "../unit/docs/tables.ts";

/** Stands in everything that a client can fill. */
const odd = "xyzzy";

type Sample = { name: string; labels: Record<string, string> };

/** A server after a conversation by every protocol, with odd ids, failures and refusals; its page of metrics. */
async function pageAfterTraffic(t: TestContext): Promise<{ page: string; told: string[] }> {
  const path = join(createKeyFolder(t), "keys.json");
  const key = createTestKey({ name: `${odd}-key`, scopes: ["chat", "metrics"] });
  writeKeys(path, [key.entry]);
  const app = await startApp(t, {
    env: { AUTH_KEYS_FILE: path, QUEUED_TURNS_MAX: "1" },
    metricsKey: key.text,
  });
  const authorization = `Bearer ${key.text}`;
  const told = [odd, key.text, key.entry.id, "127.0.0.1"];
  for (const lane of plainLanes) {
    const { chat } = connectLane(app, lane);
    const headers = { authorization, "user-agent": odd, "x-request-id": odd };
    const made = await chat.createSession({ title: odd, metadata: { [odd]: odd } }, { headers });
    told.push(made.sessionId);
    await converse({ chat, headers, sessionId: made.sessionId });
  }
  await refuseFill(app, authorization);
  const { body } = await request(app, { path: "/metrics", headers: { authorization } });
  return { page: body, told };
}

type Talk = {
  chat: ReturnType<typeof connectLane>["chat"];
  headers: Record<string, string>;
  sessionId: string;
};

async function converse({ chat, headers, sessionId }: Talk): Promise<void> {
  for (const modelId of ["eliza", "scripted:3x1", "scripted:thoughts"]) {
    const asked = { sessionId, message: odd, modelId };
    assert.equal(await openStreamChat(chat, asked, { headers }).ended, undefined);
  }
  const failing = [
    chat.sendMessage(
      { sessionId, message: odd, modelId: "scripted:2x1!unavailable@1" },
      { headers },
    ),
    chat.sendMessage({ sessionId: odd, message: odd }, { headers }),
    chat.sendMessage({ sessionId, message: odd, modelId: odd }, { headers }),
    chat.sendMessage({ sessionId, message: "" }, { headers }),
    chat.listSessions({ pageToken: odd }, { headers }),
    chat.listSessions({}, { headers: { authorization: `Bearer ${odd}` } }),
  ];
  await Promise.all(failing.map((call) => assert.rejects(call)));
  await chat.health({}, { headers });
}

/** Paths, methods and bodies that are none of ours. */
async function refuseFill(app: TestApp, authorization: string): Promise<void> {
  const json = { authorization, "content-type": "application/json" };
  const rpc = "/chat.ChatService/SendMessage";
  for (const path of [`/${odd}.Service/${odd}`, `${rpc}?${odd}=1`, `/${odd}`]) {
    await request(app, { path, headers: json, body: `{"${odd}":1}` });
  }
  await request(app, { path: rpc, method: odd.toUpperCase(), headers: { authorization } }).catch(
    () => undefined,
  );
}

function samplesOf(page: string): Sample[] {
  return page
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name = "", text = ""] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
      const labels = [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      return { name, labels: Object.fromEntries(labels.map(([, label, value]) => [label, value])) };
    });
}

/** What a label may say: a closed set, or numbers. */
const allowed: Record<string, (value: string) => boolean> = {
  le: (value) => value === "+Inf" || Number.isFinite(Number(value)),
  rpc: (value) => Object.hasOwn(rpcAccess, value) || value === unknownRpcName,
  protocol: oneOf("grpc", "grpc-web", "connect"),
  code: (value) => /^[a-z]+(?:_[a-z]+)?$/.test(value) && value.length < 20,
  model: oneOf("eliza", "scripted", "other"),
  finish_reason: oneOf("stop", "max_tokens", "safety", "cancelled", "failed", "incomplete"),
  reason: (value) =>
    codeRows(readRepositoryFile("docs/errors.md")).some(([name]) => name === value),
  type: oneOf("input", "output", "thinking", "cached"),
  operation: oneOf("append", ...Object.keys(createMemoryStore())),
  version: oneOf(version, "1.1", "2"),
  node: oneOf(process.version),
};

function oneOf(...values: readonly string[]): (value: string) => boolean {
  return (value) => values.includes(value);
}

test("no label of any metric has what clients choose", async (t) => {
  const { page, told } = await pageAfterTraffic(t);
  for (const text of told) assert.ok(!page.includes(text), `"${text}" is in the page`);
  const samples = samplesOf(page).filter(({ name }) => name.startsWith("chatwire_"));
  const seen = new Set<string>();
  for (const { name, labels } of samples) {
    for (const [label, value] of Object.entries(labels)) {
      seen.add(label);
      assert.ok(allowed[label]?.(value), `${name}{${label}="${value}"}`);
    }
  }
  assert.deepEqual([...seen].sort(byText), Object.keys(allowed).sort(byText));
});

test("docs/metrics.md lists every metric of ours, with its type, labels and help", async (t) => {
  const { page } = await pageAfterTraffic(t);
  const samples = samplesOf(page);
  const told = [...page.matchAll(/^# HELP (chatwire_\w+) (.*)\n# TYPE \w+ (\w+)/gm)].map(
    ([, name = "", help = "", type = ""]) => [name, type, labelsOf(samples, name), help],
  );
  const rows = codeRows(readRepositoryFile("docs/metrics.md"))
    .filter(([name]) => name.startsWith("chatwire_"))
    .map(([name, type, labels = "", help]) => [name, type, labels.replaceAll("`", ""), help]);
  assert.ok(told.length > 20);
  const documented = new Map(rows.map((row) => [row[0], row]));
  for (const row of told) assert.deepEqual(documented.get(row[0]), labelled(row, documented));
  assert.deepEqual(
    rows.map(([name]) => name).sort(byText),
    told.map(([name]) => name).sort(byText),
  );
});

/** One without a sample shows no labels; its row stands for them. */
function labelled(
  row: (string | undefined)[],
  documented: ReadonlyMap<unknown, (string | undefined)[]>,
) {
  const [name, type, labels, help] = row;
  return [name, type, labels === undefined ? documented.get(name)?.[2] : labels, help];
}

function labelsOf(samples: readonly Sample[], name: string): string | undefined {
  const sample = samples.find((one) => one.name === name || one.name === `${name}_count`);
  return sample && Object.keys(sample.labels).join(", ");
}

test("every metric of the Grafana dashboard is in the page", async (t) => {
  const { page } = await pageAfterTraffic(t);
  const known = new Set([...page.matchAll(/^# TYPE (\w+) (\w+)/gm)].flatMap(seriesOf));
  const dashboard = JSON.parse(readRepositoryFile("docs/grafana/chatwire.json"));
  const names = expressionsOf(dashboard).flatMap(
    (text) => text.match(/\b(?:chatwire|nodejs|process)_\w+/g) ?? [],
  );
  assert.ok(new Set(names).size > 20);
  for (const name of names) assert.ok(known.has(name), name);
  const shown = new Set(names.map((name) => name.replace(/_bucket$/, "")));
  const told = [...page.matchAll(/^# TYPE (chatwire_\w+)/gm)].map(([, name = ""]) => name);
  const unshown = told.filter((name) => !shown.has(name) && !name.startsWith("chatwire_scripted_"));
  assert.deepEqual(unshown, []);
});

function seriesOf([, name = "", type]: RegExpMatchArray): string[] {
  return type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}

function expressionsOf({ panels, templating }: Dashboard): string[] {
  const queries = templating.list.map(({ definition }) => definition ?? "");
  return [...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)), ...queries];
}

type Place = { x: number; y: number; w: number; h: number };
type Panel = {
  id: number;
  type: string;
  title: string;
  datasource?: { type: string; uid: string };
  gridPos: Place;
  targets?: { refId: string; expr: string; datasource: { uid: string } }[];
};
type Dashboard = {
  uid: string;
  title: string;
  schemaVersion: number;
  panels: Panel[];
  templating: { list: { name: string; type: string; query: unknown; definition?: string }[] };
};

test("the Grafana dashboard asks for its data source and places no two panels on one spot", () => {
  const dashboard: Dashboard = JSON.parse(readRepositoryFile("docs/grafana/chatwire.json"));
  const { panels, templating, schemaVersion, title, uid } = dashboard;
  assert.deepEqual(
    { schemaVersion, title, uid },
    { schemaVersion: 39, title: "chatwire", uid: "chatwire" },
  );
  const source = templating.list.find(({ type }) => type === "datasource");
  assert.equal(source?.query, "prometheus");
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const panel of panels.filter(({ type }) => type !== "row")) {
    const uids = [panel.datasource, ...(panel.targets ?? []).map((one) => one.datasource)];
    for (const one of uids) assert.equal(one?.uid, `\${${source?.name}}`, panel.title);
    const ids = panel.targets?.map(({ refId }) => refId) ?? [];
    assert.ok(ids.length > 0 && new Set(ids).size === ids.length, panel.title);
  }
  for (const [index, { gridPos }] of panels.entries()) {
    assert.ok(gridPos.x + gridPos.w <= 24);
    for (const other of panels.slice(index + 1))
      assert.ok(!overlap(gridPos, other.gridPos), other.title);
  }
});

function overlap(one: Place, other: Place): boolean {
  const beside = one.x + one.w <= other.x || other.x + other.w <= one.x;
  return !beside && one.y < other.y + other.h && other.y < one.y + one.h;
}

test("every call is counted by how it ended: also one that is refused, and one that cannot be read", async (t) => {
  const { page } = await pageAfterTraffic(t);
  const ended = (rpc: string, protocol: string, code: string) =>
    new RegExp(
      `^chatwire_rpc_ended_total\\{rpc="chat.ChatService/${rpc}",protocol="${protocol}",code="${code}"\\} [1-9]`,
      "m",
    );
  for (const protocol of ["grpc", "grpc-web", "connect"]) {
    assert.match(page, ended("ListSessions", protocol, "unauthenticated"));
    assert.match(page, ended("SendMessage", protocol, "not_found"));
    assert.match(page, ended("SendMessage", protocol, "unavailable"));
    assert.match(page, ended("StreamChat", protocol, "ok"));
  }
  assert.match(page, ended("SendMessage", "connect", "invalid_argument"));
  const total = (name: string) =>
    [...page.matchAll(new RegExp(`^${name}\\{.*\\} (\\d+)$`, "gm"))].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  assert.equal(total("chatwire_rpc_started_total"), total("chatwire_rpc_ended_total"));
});

test("turns are counted while they run and wait, and what refuses them by its reason", async (t) => {
  const app = await startApp(t, { env: { QUEUED_TURNS_MAX: "1" } });
  const { chat } = connectLane(app, lanes[0] ?? assert.fail());
  const running = openStreamChat(chat, { message: "hi", modelId: "scripted:5x1!hang@2" });
  const { sessionId } = await running.first(({ chunkNumber }) => chunkNumber === 2);
  const waiting = openStreamChat(chat, { sessionId, message: "next" });
  await waiting.update("turn_queued");
  await assert.rejects(chat.sendMessage({ sessionId, message: "too many" }));
  const during = await app.metrics();
  assert.equal(during.get("chatwire_turns_running"), 1);
  assert.equal(during.get("chatwire_turns_queued"), 1);
  assert.equal(during.get('chatwire_streams_open{rpc="chat.ChatService/StreamChat"}'), 2);
  assert.equal(during.get('chatwire_turns_refused_total{reason="QUEUE_FULL"}'), 1);
  running.abort();
  waiting.abort();
  await Promise.all([running.ended, waiting.ended]);
  await untilMetrics(app, (metrics) => metrics.get("chatwire_turns_running") === 0);
});

function byText(one: unknown, other: unknown): number {
  return String(one) < String(other) ? -1 : 1;
}
