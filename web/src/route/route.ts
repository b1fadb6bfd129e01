/** Which page is shown. A chat without a session is the one that is about to begin. */
export type Route =
  | { readonly page: "chat"; readonly sessionId: string }
  | { readonly page: "status" };

/** The path of a route. */
export function pathOf(route: Route): string {
  if (route.page === "status") return "/status";
  return route.sessionId === "" ? "/" : `/s/${encodeURIComponent(route.sessionId)}`;
}

/** The route of a path; an unknown path is a new chat. */
export function routeOf(path: string): Route {
  if (path === "/status") return { page: "status" };
  const [, id = ""] = /^\/s\/([^/]+)$/.exec(path) ?? [];
  try {
    return { page: "chat", sessionId: decodeURIComponent(id) };
  } catch {
    return { page: "chat", sessionId: "" };
  }
}
