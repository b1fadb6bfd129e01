import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { requireProgram, temporaryFolder } from "./programs.ts";
import {
  findFreePort,
  type ReverseProxyKind,
  readDeployFile,
  runReverseProxy,
} from "./reverse-proxy.ts";

const tls = fileURLToPath(new URL("../fixtures/tls/", import.meta.url));

/** docs/deploy/nginx.conf. */
export const nginx: ReverseProxyKind = {
  name: "nginx",
  missing: requireProgram("nginx", ["-v"]),
  async start(t, app, { idleTimeoutMs = 60_000 } = {}) {
    const folder = temporaryFolder(t);
    const port = await findFreePort();
    const idle = `${idleTimeoutMs}ms`;
    const site = readDeployFile("nginx.conf", {
      "server 127.0.0.1:50051;": `server 127.0.0.1:${app.port};`,
      "listen 443 ssl http2;": `listen 127.0.0.1:${port} ssl http2;`,
      "listen [::]:443 ssl http2;": "",
      "/etc/nginx/tls/fullchain.pem": join(tls, "cert.pem"),
      "/etc/nginx/tls/key.pem": join(tls, "key.pem"),
      "grpc_read_timeout 60s;": `grpc_read_timeout ${idle};`,
      "grpc_send_timeout 60s;": `grpc_send_timeout ${idle};`,
      "send_timeout 60s;": `send_timeout ${idle};`,
    });
    writeFileSync(join(folder, "chatwire.conf"), site);
    writeFileSync(join(folder, "nginx.conf"), main(folder, idle));
    const command = ["nginx", "-e", "stderr", "-p", folder, "-c", join(folder, "nginx.conf")];
    return runReverseProxy(t, app, port, command as [string, ...string[]]);
  },
};

/** What a distribution's nginx.conf has around the site, in one process and one folder. */
function main(folder: string, idle: string): string {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
daemon off;
master_process off;
error_log stderr;
pid ${join(folder, "nginx.pid")};
events {}
http {
  access_log off;
  client_body_timeout ${idle};
  ${paths.map((name) => `${name}_temp_path ${join(folder, name)};`).join("\n  ")}
  include ${join(folder, "chatwire.conf")};
}
`;
}
