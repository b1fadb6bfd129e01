import { type ComponentType, lazy } from "react";

/** A component of a module that is loaded when it is first shown, or sooner by `load`. */
export function lazyComponent<N extends string, P>(
  load: () => Promise<Record<N, ComponentType<P>>>,
  name: N,
) {
  return lazy(async () => ({ default: (await load())[name] }));
}
