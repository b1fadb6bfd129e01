import { createContext, useContext, useSyncExternalStore } from "react";
import type { Observable } from "./client/observable.ts";
import type { App } from "./create-app.ts";

/** The parts of the page that no component owns. */
export const AppContext = createContext<App | undefined>(undefined);

/** The app around this component. */
export function useApp(): App {
  const app = useContext(AppContext);
  if (app === undefined) throw new Error("no AppContext around this component");
  return app;
}

/** The observable's value; renders again when it changes. */
export function useObservable<T>({ subscribe, get }: Observable<T>): T {
  return useSyncExternalStore(subscribe, get);
}
