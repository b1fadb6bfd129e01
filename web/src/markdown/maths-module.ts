import { createObservable, type Observable, type Settable } from "../client/observable.ts";

type MathsComponent = typeof import("./maths.tsx").Maths;

/** What lays out maths, which is loaded with the first formula. `missing`: it could not be loaded. */
export type MathsModule = MathsComponent | "unloaded" | "missing";

const state: Settable<MathsModule> = createObservable<MathsModule>("unloaded");

export const mathsModule: Observable<MathsModule> = state;

let isLoading = false;

/** Loads it, once; what could not be loaded is tried again with the next formula. */
export function loadMaths(): void {
  if (isLoading) return;
  isLoading = true;
  void import("./maths.tsx").then(
    ({ Maths }) => state.set(Maths),
    () => {
      isLoading = false;
      state.set("missing");
    },
  );
}
