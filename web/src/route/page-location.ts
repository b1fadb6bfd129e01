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

/** Follows the window's address. */
export function createPageLocation(window: Window): PageLocation {
  const { history, location } = window;
  const read = () => routeOf(location.pathname);
  const route = createObservable(read());
  window.addEventListener("popstate", () => route.set(read()));
  return {
    route,
    go(next) {
      if (pathOf(next) !== location.pathname) history.pushState(null, "", pathOf(next));
      route.set(next);
    },
    replace(next) {
      history.replaceState(null, "", pathOf(next));
      route.set(next);
    },
  };
}
