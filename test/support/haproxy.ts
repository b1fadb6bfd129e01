import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { testCertificate } from "./certificate.ts";
import { requireProgram, temporaryFolder } from "./programs.ts";
import {
  findFreePort,
  type ReverseProxyKind,
  readDeployFile,
  runReverseProxy,
} from "./reverse-proxy.ts";

/** docs/deploy/haproxy.cfg. */
export const haproxy: ReverseProxyKind = {
  name: "HAProxy",
  missing: requireProgram("haproxy", ["-v"]),
  async start(t, app, { idleTimeoutMs = 60_000 } = {}) {
    const folder = temporaryFolder(t);
    const port = await findFreePort();
    const idle = `${idleTimeoutMs}ms`;
    const configuration = readDeployFile("haproxy.cfg", {
      "server chatwire 127.0.0.1:50051 ": `server chatwire 127.0.0.1:${app.port} `,
      "bind :443 ": `bind 127.0.0.1:${port} `,
      "/etc/haproxy/tls/chat.example.org.pem": join(folder, "chain-and-key.pem"),
      // More files than a test may open.
      "maxconn 20000": "maxconn 200",
      "timeout client 60s": `timeout client ${idle}`,
      "timeout server 60s": `timeout server ${idle}`,
    });
    writeFileSync(join(folder, "chain-and-key.pem"), testCertificate.cert + testCertificate.key);
    writeFileSync(join(folder, "haproxy.cfg"), configuration);
    return runReverseProxy(t, app, port, ["haproxy", "-db", "-f", join(folder, "haproxy.cfg")]);
  },
};
