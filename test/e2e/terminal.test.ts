import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { protocols } from "../../src/cli/protocol.ts";
import { OnDisconnect } from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import { clientLanes, openClient } from "../support/client-lanes.ts";
import { restartServer, startServer } from "../support/server-process.ts";
import { startRelay } from "../support/tcp-relay.ts";
import { modelAborts, modelCalls, words } from "../support/turn-checks.ts";
import { startCli } from "../unit/cli/run-cli.ts";
import { startCommand } from "../unit/cli/run-command.ts";

const [direct] = clientLanes;
assert.ok(direct);

describe("the terminal and a server that is lost", { timeout: 240_000 }, () => {
  for (const protocol of protocols) {
    const ask = (url: string, ...more: string[]) => [
      "chat",
      "Go on",
      "--url",
      url,
      "--protocol",
      protocol,
      ...more,
    ];

    test(`over ${protocol}, a reply is whole, once, after its connection is cut`, async (t) => {
      const app = await startApp(t);
      const relay = await startRelay(app);
      const cli = startCommand(t, ask(relay.app.url, "--model", "scripted:100x20"));
      cli.stdin.end();
      await cli.until(/w5 /);
      relay.cut();
      await cli.until(/w30 /);
      relay.cut();
      assert.deepEqual(await cli.result(), { code: 0, stdout: `${words(100)}\n`, stderr: "" });
      assert.equal((await app.metrics()).get(modelCalls), 1);
    });

    test(`over ${protocol}, a server killed in mid reply is told, and nothing comes twice`, async (t) => {
      const server = await startServer(t);
      const cli = startCommand(t, ask(server.url, "--model", "scripted:1000x20"));
      cli.stdin.end();
      await cli.until(/w5 /);
      server.kill("SIGKILL");
      await server.result();
      await restartServer(t, server);
      const { code, stdout, stderr } = await cli.result();
      assert.equal(code, 1);
      assert.match(stderr, /the server stopped in mid reply; .*\(SERVER_STOPPED\)/);
      const shown = stdout.trim().split(" ");
      assert.ok(shown.length >= 5 && shown.length < 1_000, stdout);
      assert.equal(stdout, `${words(shown.length)}\n`);
    });

    test(`over ${protocol}, a turn that waits when the server is killed is answered after`, async (t) => {
      const server = await startServer(t);
      const client = openClient(server, direct);
      const { sessionId } = await client.createSession({ modelId: "scripted:1000x20" });
      const session = client.session(sessionId);
      const other = session.send("First", { onDisconnect: OnDisconnect.CONTINUE });
      await other.events.next();
      const watch = session.watch();
      const cli = startCommand(
        t,
        ask(server.url, "--session", sessionId, "--model", "scripted:9x1"),
      );
      cli.stdin.end();
      for await (const item of watch) {
        if (item.type === "event" && item.event.updateType === "turn_queued") break;
      }
      await client.close();
      server.kill("SIGKILL");
      await server.result();
      await restartServer(t, server);
      const { code, stdout } = await cli.result();
      assert.deepEqual([code, stdout], [0, `${words(9)}\n`]);
    });

    test(`over ${protocol}, Ctrl-C cancels the turn that a cut left running`, async (t) => {
      const app = await startApp(t);
      const relay = await startRelay(app);
      const cli = startCommand(t, ask(relay.app.url, "--model", "scripted:1000x20"));
      cli.stdin.end();
      await cli.until(/w5 /);
      relay.cut();
      cli.interrupt();
      const { code, stderr } = await cli.result();
      assert.equal(code, 130);
      assert.match(stderr, /cancelled; what had arrived is kept/);
      const metrics = await app.metrics();
      assert.deepEqual([metrics.get(modelCalls), metrics.get(modelAborts)], [1, 1]);
    });
  }

  test("the SIGINT that npm passes on a second time does not count twice", async (t) => {
    const app = await startApp(t);
    const cli = startCli(t, ["chat", "Go on", "--url", app.url, "--model", "scripted:1000x20"]);
    cli.child.stdin?.end();
    await cli.until(/w5 /);
    cli.child.kill("SIGINT");
    cli.child.kill("SIGINT");
    const { code, stderr } = await cli.result();
    assert.equal(code, 130);
    assert.match(stderr, /cancelled; what had arrived is kept/);
  });
});
