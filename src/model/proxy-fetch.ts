import { EnvHttpProxyAgent, fetch as undiciFetch } from "undici";

/** What an adapter calls its provider with: the standard fetch. */
export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

/** Never asked through a proxy: on a proxy's machine they would be somebody else. */
const loopback = ["localhost", "127.0.0.1", "::1"];

/**
 * A fetch that honours HTTP_PROXY, HTTPS_PROXY and NO_PROXY (either case) of `environment`. It is its own
 * and not the process's: nothing has to be set globally, and whoever else calls fetch is not concerned.
 *
 * HTTP/1.1, so that aborting a call closes its connection and no other. It has no time limits after the
 * connect (10 s): a reply may be silent for minutes, and how long is the engine's to decide.
 */
export function createProxyFetch(environment: ProxyEnvironment = process.env): Fetch {
  const noProxy = environment.no_proxy ?? environment.NO_PROXY ?? "";
  const agent = new EnvHttpProxyAgent({
    httpProxy: environment.http_proxy ?? environment.HTTP_PROXY ?? "",
    httpsProxy: environment.https_proxy ?? environment.HTTPS_PROXY ?? "",
    noProxy: [noProxy, ...loopback].join(","),
    allowH2: false,
  }).compose(
    (dispatch) => (options, handler) =>
      dispatch({ ...options, headersTimeout: 0, bodyTimeout: 0 }, handler),
  );
  // undici's types and Node's name the same web interfaces twice.
  const call = undiciFetch as unknown as (
    url: string | URL | Request,
    init: object,
  ) => Promise<Response>;
  return (url, init) => call(url, { ...init, dispatcher: agent });
}

/** Which proxy variables are set, for advice; their values may hold passwords. */
export function proxyVariables(environment: ProxyEnvironment = process.env): string[] {
  const names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
  return names.filter((name) => (environment[name] ?? "") !== "");
}
