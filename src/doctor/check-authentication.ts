import { readKeyFile } from "../auth/edit-key-file.ts";
import { createIssuerKeys } from "../auth/issuer-keys.ts";
import { openKeyFile } from "../auth/key-file.ts";
import { type KeyEntry, stateOfKey } from "../auth/key-list.ts";
import { isLoopback } from "../config/loopback.ts";
import type { Config } from "../config.ts";
import { type Finding, reportOf } from "./finding.ts";

const { ok, warning, failed } = reportOf("authentication");

/** Whether callers can show who they are, in each way that is configured. */
export async function checkAuthentication(config: Config, now: number): Promise<Finding[]> {
  const { auth, tls } = config;
  if (!auth) return [checkAnonymous(config)];
  const { keysFile, jwt, certificates } = auth;
  return [
    ...(keysFile ? await checkKeys(keysFile, now) : []),
    ...(jwt ? [await checkIssuer(jwt.jwksUrl)] : []),
    ...(certificates && tls ? [ok("clients show certificates of TLS_CLIENT_CA_FILE")] : []),
  ];
}

function checkAnonymous({ host }: Config): Finding {
  if (isLoopback(host)) return ok("none: only this machine reaches the server");
  return warning(
    `none, and ${host} is reachable from other machines: everybody there may use the models`,
    "set AUTH_KEYS_FILE, AUTH_JWKS_URL or TLS_CLIENT_CA_FILE, unless something in front decides",
  );
}

async function checkKeys(path: string, now: number): Promise<Finding[]> {
  const problems: string[] = [];
  let entries: readonly KeyEntry[];
  try {
    const file = await openKeyFile({ path, onProblem: (problem) => problems.push(problem) });
    file.close();
    entries = await readKeyFile(path);
  } catch (error) {
    return [failed((error as Error).message, "mend it, or make another one: chatwire keys create")];
  }
  const warnings = problems.map((problem) => warning(problem, `chmod go-w ${path}`));
  const active = entries.filter((entry) => stateOfKey(entry, now) === "active").length;
  const told = `${path} has ${active} keys that can be used, of ${entries.length}`;
  const none = warning(told, "make one: chatwire keys create");
  return [active === 0 ? none : ok(told), ...warnings];
}

async function checkIssuer(jwksUrl: string): Promise<Finding> {
  const problems: string[] = [];
  const url = new URL(jwksUrl);
  const keys = createIssuerKeys({
    url,
    now: () => Date.now(),
    onProblem: (problem) => problems.push(problem),
    onChange: () => undefined,
  });
  await keys.refresh();
  keys.close();
  const [problem] = problems;
  if (problem === undefined) return ok(`the keys at ${url.origin}${url.pathname} can be had`);
  return failed(
    problem,
    "check AUTH_JWKS_URL and the network; without the keys tokens are refused",
  );
}
