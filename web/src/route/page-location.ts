import { createObservable, type Observable } from "../client/observable.ts";
import { pathOf, type Route, routeOf } from "./route.ts";

/** The address bar as a route, and how to change it. */
export interface PageLocation {
  readonly route: Observable<Route>;
  /** Goes there, as a link does. */
  go(route: Route): void;
  /** Goes there in the place of the present entry of the history. */
  replace(route: Route): void;
}

/**
 * Follows the window's address. `newChat` says which chat "/" is, by the id that this entry of the history had
 * before: one that is not opened yet, or the session that came of it.
 */
export function createPageLocation(
  window: Window,
  newChat: (keptId: string | undefined) => Route,
): PageLocation {
  const { history, location } = window;
  const read = () => complete(routeOf(location.pathname), idOf(history.state), newChat);
  const route = createObservable(read());
  const replace = (next: Route) => {
    const whole = complete(next, undefined, newChat);
    history.replaceState(stateOf(whole), "", pathOf(whole));
    route.set(whole);
  };
  replace(route.get());
  window.addEventListener("popstate", () => replace(read()));
  return {
    route,
    go(next) {
      const whole = complete(next, undefined, newChat);
      const isElsewhere =
        pathOf(whole) !== location.pathname || newChatIdOf(whole) !== idOf(history.state);
      if (isElsewhere) history.pushState(stateOf(whole), "", pathOf(whole));
      route.set(whole);
    },
    replace,
  };
}

function complete(
  route: Route,
  keptId: string | undefined,
  newChat: (keptId: string | undefined) => Route,
): Route {
  const isNew = route.page === "chat" && route.sessionId === "" && route.newChatId === undefined;
  return isNew ? newChat(keptId) : route;
}

function newChatIdOf(route: Route): string | undefined {
  return route.page === "chat" ? route.newChatId : undefined;
}

function stateOf(route: Route): { newChatId: string } | null {
  const newChatId = newChatIdOf(route);
  return newChatId === undefined ? null : { newChatId };
}

function idOf(state: unknown): string | undefined {
  if (typeof state !== "object" || state === null || !("newChatId" in state)) return undefined;
  return typeof state.newChatId === "string" ? state.newChatId : undefined;
}
