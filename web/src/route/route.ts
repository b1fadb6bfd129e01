/**
 * Which page is shown. A chat without a session has not been opened on the server yet; `newChatId` tells it from
 * others like it.
 */
export type Route =
  | { readonly page: "chat"; readonly sessionId: string; readonly newChatId?: string }
  | { readonly page: "status" }
  /** A path that is nobody's. */
  | { readonly page: "missing"; readonly path: string };

/** The path of a route. */
export function pathOf(route: Route): string {
  if (route.page === "status") return "/status";
  if (route.page === "missing") return route.path;
  return route.sessionId === "" ? "/" : `/s/${encodeURIComponent(route.sessionId)}`;
}

/** The route of a path. */
export function routeOf(path: string): Route {
  if (path === "/") return { page: "chat", sessionId: "" };
  if (/^\/status\/?$/.test(path)) return { page: "status" };
  const [, id] = /^\/s\/([^/]+)\/?$/.exec(path) ?? [];
  if (id === undefined) return { page: "missing", path };
  try {
    return { page: "chat", sessionId: decodeURIComponent(id) };
  } catch {
    return { page: "missing", path };
  }
}
