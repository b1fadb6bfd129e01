import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { foreignNames, laterSettings } from "../../../src/config/later.ts";
import { settings } from "../../../src/config/settings.ts";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import { root } from "../contract/buf.ts";
import { readRepositoryFile } from "./tables.ts";

const page = readRepositoryFile("docs/operate.md");
const deployFiles = readdirSync(`${root}/docs/deploy`);
const deployed = (name: string) => readRepositoryFile(`docs/deploy/${name}`);

/** Words in capitals that are no settings of ours. */
const otherNames = new Set(["NOT_SERVING", "HOST_NOT_ALLOWED", "AF_INET", "AF_UNIX"]);

describe("docs/operate.md", () => {
  it("names no setting that there is not", () => {
    const named = [page, ...deployFiles.map(deployed)].flatMap(
      (text) => text.match(namePattern) ?? [],
    );
    assert.ok(named.length > 30, `only ${named.length} names were found`);
    assert.deepEqual(
      [...new Set(named)].filter((name) => !isKnown(name)),
      [],
    );
  });

  it("has every file of docs/deploy, and links to nothing that is not there", () => {
    const linked = [...page.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, path = ""]) => path);
    assert.deepEqual(
      linked.filter((path) => !existsSync(`${root}/docs/${path}`)),
      [],
    );
    const missing = deployFiles.filter((name) => !linked.includes(`deploy/${name}`));
    assert.deepEqual(missing, []);
  });

  it("gives a drain more time than it takes before anything kills", () => {
    const drainSeconds = Number(settings.DRAIN_TIMEOUT_MS.default) / 1_000;
    const [, kubernetes] =
      /terminationGracePeriodSeconds: (\d+)/.exec(deployed("kubernetes.yaml")) ?? [];
    const [, systemd] = /TimeoutStopSec=(\d+)/.exec(deployed("chatwire.service")) ?? [];
    const [, alb] =
      /deregistration_delay\.timeout_seconds, Value: "(\d+)"/.exec(deployed("alb.yaml")) ?? [];
    for (const seconds of [kubernetes, systemd, alb])
      assert.ok(Number(seconds) >= drainSeconds + 10);
  });

  it("gives silence three times the heartbeat in every proxy that has a bound", () => {
    const heartbeatSeconds = Number(settings.HEARTBEAT_MS.default) / 1_000;
    const bounds = {
      "nginx.conf": /grpc_read_timeout (\d+)s/,
      "haproxy.cfg": /timeout server (\d+)s/,
      "envoy.yaml": /stream_idle_timeout: (\d+)s/,
      "alb.yaml": /idle_timeout\.timeout_seconds, Value: "(\d+)"/,
    };
    for (const [name, pattern] of Object.entries(bounds)) {
      const [, seconds] = pattern.exec(deployed(name)) ?? [];
      assert.ok(Number(seconds) >= 3 * heartbeatSeconds, name);
    }
  });

  it("has a configuration for each proxy, that trusts no reset and leaves buffering out", () => {
    const [, proxies = ""] = /## Behind a reverse proxy([\s\S]*?)\n## /.exec(page) ?? [];
    const sections = proxies.split("\n### ").slice(1);
    const named = sections.map((section) => {
      const [, file = ""] = /\]\(deploy\/([^)]+)\)/.exec(section) ?? [];
      assert.ok(deployFiles.includes(file), section.slice(0, 40));
      assert.match(deployed(file), /TRUST_STREAM_RESET=0/, file);
      assert.doesNotMatch(deployed(file), /buffering on|buffer_request|buffer_response/, file);
      return section.split("\n")[0];
    });
    const expected = ["nginx", "HAProxy", "Caddy", "Envoy", "AWS Application Load Balancer"];
    assert.deepEqual(named, expected);
  });

  it("decides for each RPC whether a client's configuration retries it", () => {
    const { methodConfig } = JSON.parse(deployed("service-config.json"));
    type Name = { service: string; method: string };
    const names: Name[] = methodConfig.flatMap(({ name }: { name: Name[] }) => name);
    for (const { service } of names) assert.equal(service, ChatService.typeName);
    const retried = names.map(({ method }) => method);
    const [, leftOut = ""] = /\*\*Not retried by configuration\*\*:([\s\S]*?)\n- /.exec(page) ?? [];
    const known = ChatService.methods.map(({ name }) => name);
    const named = leftOut.match(/`\w+`/g)?.map((name) => name.slice(1, -1)) ?? [];
    const notRetried = named.filter((name) => known.includes(name));
    assert.deepEqual([...retried, ...notRetried].toSorted(), known.toSorted());
  });
});

const namePattern = /\b[A-Z]+(?:_[A-Z]+)+\b/g;

function isKnown(name: string): boolean {
  const lists = [settings, laterSettings];
  return (
    lists.some((list) => Object.hasOwn(list, name)) ||
    foreignNames.has(name) ||
    otherNames.has(name)
  );
}
