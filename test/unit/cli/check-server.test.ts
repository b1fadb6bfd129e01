import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { explain } from "../../../src/cli/explain.ts";
import { protocols } from "../../../src/cli/protocol.ts";
import { chunk, complete, type Script, startFakeServer } from "./fake-server.ts";
import { runCli, temporaryDirectory } from "./run-cli.ts";
import { runInProcess } from "./run-command.ts";

const hi: Script = async function* () {
  yield chunk("hello");
  yield complete();
};

async function listen(t: TestContext, server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A URL that nothing listens on. */
async function freeUrl(): Promise<string> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}`;
}

function noOpenssl(): string | false {
  if (spawnSync("openssl", ["version"]).status === 0) return false;
  assert.notEqual(process.env.CI, "true", "openssl is needed");
  return "openssl is needed to make a certificate";
}

/** A certificate for 127.0.0.1 that signs itself, and its key. */
function certificate(t: TestContext): { cert: string; key: string; certFile: string } {
  const directory = temporaryDirectory(t);
  const [certFile, keyFile] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", keyFile, "-out", certFile];
  execFileSync("openssl", ["req", "-x509", ...kind, ...subject, ...files], { stdio: "ignore" });
  return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8"), certFile };
}

describe("the server is checked before anything is sent", { timeout: 60_000 }, () => {
  for (const protocol of protocols) {
    const args = (url: string) => ["chat", "hi", "--url", url, "--protocol", protocol];
    const ask = (t: TestContext, url: string) => runInProcess(t, args(url));

    test(`over ${protocol}, it says when nothing listens, and how to start it`, async (t) => {
      const url = await freeUrl();
      assert.deepEqual(await ask(t, url), {
        code: 3,
        stdout: "",
        stderr: `chatwire: nothing listens on ${url}; start it with: npm start\n`,
      });
    });

    test(`over ${protocol}, it says when something else answers`, async (t) => {
      const web = createHttpServer((_request, response) => response.end("<h1>hello</h1>"));
      const missing = createHttpServer((_request, response) => response.writeHead(404).end());
      for (const server of [web, missing]) {
        const { code, stderr } = await ask(t, await listen(t, server));
        assert.equal(code, 3);
        assert.match(stderr, /it is not chatwire/);
        assert.equal(stderr.trim().split("\n").length, 1);
      }
    });

    test(`over ${protocol}, https to a plaintext port names the URL that works`, async (t) => {
      const httpVersion = protocol === "grpc" ? "2" : "1.1";
      const { url } = await startFakeServer(t, {}, { httpVersion });
      const { code, stderr } = await ask(t, url.replace("http:", "https:"));
      assert.equal(code, 3);
      assert.ok(stderr.includes(`does not speak TLS; use ${url}\n`), stderr);
    });

    test(`over ${protocol}, TLS: http, a strange certificate, and one that is trusted`, {
      skip: noOpenssl(),
    }, async (t) => {
      const { certFile, ...tls } = certificate(t);
      const { url } = await startFakeServer(t, { hi }, { tls });
      const plain = await ask(t, url.replace("https:", "http:"));
      assert.equal(plain.code, 3);
      assert.ok(plain.stderr.includes(`speaks TLS; use ${url}\n`), plain.stderr);
      const strange = await ask(t, url);
      assert.equal(strange.code, 3);
      assert.match(strange.stderr, /not trusted.*NODE_EXTRA_CA_CERTS/);
      // Node reads it when it starts.
      const env = { NODE_EXTRA_CA_CERTS: certFile };
      const trusted = await runCli(t, args(url), "", { env });
      assert.deepEqual(trusted, { code: 0, stdout: "hello\n", stderr: "" });
    });
  }

  test("a server that does not answer is given up", async (t) => {
    const { url } = await startFakeServer(t, {}, { hangs: true });
    const { code, stderr } = await runInProcess(t, ["chat", "hi", "--url", url]);
    assert.equal(code, 3);
    assert.match(stderr, /did not answer within 5 s/);
  });

  test("what keeps a call from the server is told by its cause", () => {
    const url = "http://chat.example:1";
    for (const [code, words] of [
      ["ENOTFOUND", /there is no host "chat\.example"/],
      ["EHOSTUNREACH", /chat\.example:1 cannot be reached/],
      ["CERT_HAS_EXPIRED", /has expired/],
      ["ERR_TLS_CERT_ALTNAME_INVALID", /for another host name/],
    ] as const) {
      const cause = Object.assign(new Error("system"), { code });
      assert.match(explain(new Error("outer", { cause }), url), words);
    }
  });
});
